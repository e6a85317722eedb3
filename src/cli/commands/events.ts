/**
 * `holler events`: the daemon's journal, and what happens from now on.
 *
 * Without `--follow` it ends where the journal ends. With `--name` each line is acknowledged after it
 * has been written, so a line may come twice (when either side dies in between), but none is ever lost.
 */
import type { ControlEvent, Params } from '../../protocol/control/schema.ts'
import { Acknowledger } from '../acknowledger.ts'
import type { CommandContext } from '../context.ts'
import type { ControlClient } from '../control-client.ts'
import { CommandFailure, usageFailure } from '../failure.ts'
import { jsonLine } from '../visible-text.ts'

export interface EventsOptions {
  readonly follow?: boolean
  readonly since?: 'ack' | 'now' | number
  readonly name?: string
  readonly types?: readonly string[]
}

/** As many as one answer may hold. */
const PAGE = 1000

export async function showEvents(context: CommandContext, options: EventsOptions): Promise<void> {
  const since = options.since ?? defaultSince(options)
  const { name, types, follow } = options
  if (since === 'ack' && name === undefined) {
    throw usageFailure('--since ack needs --name: whose acknowledgement?')
  }
  if (since === 'now' && follow !== true) throw usageFailure('--since now needs --follow')
  const client = await context.client()
  const acknowledger =
    name === undefined ? undefined : new Acknowledger(client, name, context.timeoutMs)
  const write = async (event: ControlEvent): Promise<void> => {
    await context.output.line(jsonLine(event))
    acknowledger?.acknowledge(event.seq)
  }
  if (follow === true) {
    const broken = writeStream(client, write)
    await context.request('events.subscribe', subscription(since, name, types))
    await broken
  } else {
    const after = typeof since === 'number' ? since : await acknowledged(context, name)
    await writeJournal(context, after, types, write)
    await acknowledger?.flush()
  }
}

function defaultSince({ name, follow }: EventsOptions): 'ack' | 'now' | number {
  if (name !== undefined) return 'ack'
  return follow === true ? 'now' : 0
}

function subscription(
  since: 'ack' | 'now' | number,
  name?: string,
  types?: readonly string[],
): Params<'events.subscribe'> {
  return {
    since,
    ...(name !== undefined && { name }),
    ...(types !== undefined && { types: [...types] }),
  }
}

/** How far a named consumer has got: where its subscription would go on. */
async function acknowledged(context: CommandContext, name?: string): Promise<number> {
  const { seq } = await context.request('events.subscribe', subscription('ack', name))
  await context.request('events.unsubscribe', {})
  return seq
}

type Write = (event: ControlEvent) => Promise<void>

async function writeJournal(
  context: CommandContext,
  since: number,
  types: readonly string[] | undefined,
  write: Write,
): Promise<void> {
  let after = since
  for (;;) {
    const page = await context.request('events.fetch', { after, limit: PAGE })
    for (const event of page) {
      if (types === undefined || types.includes(event.type)) await write(event)
      after = event.seq
    }
    if (page.length === 0) return
  }
}

/** Writes event after event; never resolves, and rejects when the daemon or the reader of our output goes away. */
async function writeStream(client: ControlClient, write: Write): Promise<never> {
  return new Promise((_resolve, reject) => {
    client.onEvent((event) => {
      write(event).catch(reject)
    })
    void client.closed.then((why) => {
      reject(new CommandFailure('daemon_unreachable', `The daemon is gone: ${why}`))
    })
  })
}
