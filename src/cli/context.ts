import { ControlClient } from './control-client.ts'
import type { Method, Params, Result } from '../protocol/control/schema.ts'
import type { Outside } from './outside.ts'
import { Output } from './output.ts'

/** What every command understands, wherever it stands in the line. */
export interface GlobalOptions {
  readonly json: boolean
  readonly quiet: boolean
  readonly socketPath: string
  /** How long the daemon may take for an answer; `undefined` where the user left it to the command. */
  readonly timeoutMs: number | undefined
}

/** Long enough for a login over a bad mobile network, short enough that nobody thinks `holler` has died. */
const DEFAULT_TIMEOUT_MS = 30_000

/**
 * Where the daemon itself watches the deadline (`timeout_ms`), its answer says more than ours would (the id of the
 * message that is not there yet): it gets this much longer to give it.
 */
export const GRACE_MS = 2_000

/** What a command's work is given: the user's wishes, a place to answer, and the daemon once it is asked for. */
export class CommandContext {
  readonly outside: Outside
  readonly options: GlobalOptions
  readonly output: Output
  #client: Promise<ControlClient> | undefined

  constructor(outside: Outside, options: GlobalOptions) {
    this.outside = outside
    this.options = options
    this.output = new Output(outside, options)
  }

  get timeoutMs(): number {
    return this.options.timeoutMs ?? DEFAULT_TIMEOUT_MS
  }

  async client(): Promise<ControlClient> {
    this.#client ??= ControlClient.connect(this.options.socketPath)
    return this.#client
  }

  async request<M extends Method>(
    method: M,
    params: Params<M>,
    timeoutMs = this.timeoutMs,
  ): Promise<Result<M>> {
    return (await this.client()).request(method, params, timeoutMs)
  }

  async close(): Promise<void> {
    const client = await this.#client?.catch(() => undefined)
    client?.close()
  }
}
