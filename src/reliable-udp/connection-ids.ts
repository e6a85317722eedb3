/**
 * The names under which packets find a connection. Each side chooses its own and gives the other some in stock, so that
 * after a move to another path nobody on the way can tell that it is the same conversation (RFC 9000 §5.1, §9.5).
 * There is no RETIRE_CONNECTION_ID: when the peer begins to use an id, the ones before the last are over.
 */
import { copyOf, equalBytes } from '../core/bytes.ts'
import type { Random } from '../core/random.ts'
import type { EventSink } from './event-sink.ts'
import { RESET_TOKEN_BYTES } from './frame.ts'
import type { FrameWriter } from './frame-writer.ts'
import { CONNECTION_ID_BYTES, type ConnectionId, connectionIdOf } from './packet.ts'
import type { SentPackets } from './sent-packets.ts'
import { resetTokenOf } from './stateless-reset.ts'
import { type Violation, violation } from './transport-error.ts'

/** Unused ids the peer has in stock: one for its next move, one for the move that follows at once. */
const STOCK = 2

/** What we keep of the peer's. It has no reason to send more than its stock. */
const MAX_REMOTE_IDS = 8

export type ConnectionIdEvent =
  | { readonly kind: 'local-id'; readonly id: ConnectionId }
  | { readonly kind: 'local-id-retired'; readonly id: ConnectionId }

interface LocalId {
  readonly sequence: number
  readonly bytes: Uint8Array
  readonly resetToken: Uint8Array
  readonly name: ConnectionId
}

/** The ids that packets to us carry. */
export class LocalIds {
  readonly #random: Random
  readonly #resetKey: Uint8Array | undefined
  readonly #events: EventSink<ConnectionIdEvent>
  #ids: LocalId[] = [] // ≤ STOCK + 3: the initial one, the last, the present, and the stock
  #owed: number[] = [] // ≤ STOCK + 2: sequences to be told
  #inUse: LocalId | undefined
  #next = 0

  /** `initial`: the id that both sides knew before the handshake, if packets come to us under it. */
  constructor(
    random: Random,
    initial: Uint8Array | undefined,
    events: EventSink<ConnectionIdEvent>,
    resetKey?: Uint8Array,
  ) {
    this.#random = random
    this.#resetKey = resetKey
    this.#events = events
    if (initial !== undefined) this.#ids.push(this.#localId(-1, initial))
    this.#ids.push(this.#fresh())
  }

  get names(): readonly ConnectionId[] {
    return this.#ids.map((id) => id.name)
  }

  /** The one told in the handshake. */
  get first(): Uint8Array {
    const first = this.#ids.find((id) => id.sequence === 0)
    return first?.bytes ?? new Uint8Array(CONNECTION_ID_BYTES)
  }

  get owesFrames(): boolean {
    return this.#owed.length > 0
  }

  /** The handshake is over: the peer gets its stock. */
  issueStock(): void {
    const inUse = this.#inUse?.sequence ?? 0
    while (this.#next <= inUse + STOCK) {
      const id = this.#fresh()
      this.#ids.push(id)
      this.#owed.push(id.sequence)
      this.#events.push({ kind: 'local-id', id: id.name })
    }
  }

  /** An authentic packet came under the id at `start`. */
  handleUsed(bytes: Uint8Array, start: number): void {
    if (this.#inUse !== undefined && matches(this.#inUse.bytes, bytes, start)) return
    const used = this.#ids.find((id) => matches(id.bytes, bytes, start))
    if (used === undefined || used.sequence <= (this.#inUse?.sequence ?? -1)) return
    const isFirst = this.#inUse === undefined
    const before = this.#inUse?.sequence ?? 0
    this.#inUse = used
    if (isFirst && used.sequence === 0) return
    // Late packets may still come under the one before.
    this.#retireBelow(Math.min(before, used.sequence - 1))
    this.issueStock()
  }

  writeFrames(writer: FrameWriter, sent: SentPackets): void {
    while (this.#owed.length > 0) {
      const sequence = this.#owed[0] ?? 0
      const id = this.#ids.find((candidate) => candidate.sequence === sequence)
      const retirePriorTo = Math.max(0, this.#ids[0]?.sequence ?? 0)
      if (id !== undefined) {
        if (!writer.newConnectionId(sequence, retirePriorTo, id.bytes, id.resetToken)) return
        sent.addFrame('new-connection-id', sequence)
      }
      this.#owed.shift()
    }
  }

  handleFrameLost(sequence: number): void {
    const isKnown = this.#ids.some((id) => id.sequence === sequence)
    if (isKnown && !this.#owed.includes(sequence)) this.#owed.push(sequence)
  }

  #retireBelow(sequence: number): void {
    for (const id of this.#ids) {
      if (id.sequence < sequence) this.#events.push({ kind: 'local-id-retired', id: id.name })
    }
    this.#ids = this.#ids.filter((id) => id.sequence >= sequence)
  }

  #fresh(): LocalId {
    this.#next += 1
    return this.#localId(this.#next - 1, this.#random.bytes(CONNECTION_ID_BYTES))
  }

  #localId(sequence: number, bytes: Uint8Array): LocalId {
    const key = this.#resetKey
    return {
      sequence,
      bytes: copyOf(bytes),
      // Without a key nobody ever shows it: the peer waits in vain, and for its idle time.
      resetToken:
        key === undefined
          ? copyOf(this.#random.bytes(RESET_TOKEN_BYTES))
          : resetTokenOf(key, bytes),
      name: connectionIdOf(bytes),
    }
  }
}

interface RemoteId {
  readonly sequence: number
  readonly bytes: Uint8Array
  readonly resetToken: Uint8Array | undefined
}

/** The ids that our packets carry. */
export class RemoteIds {
  #spare: RemoteId[] = [] // ≤ MAX_REMOTE_IDS
  #current: RemoteId

  /** The one told in the handshake. */
  constructor(first: Uint8Array, resetToken: Uint8Array | undefined) {
    const token = resetToken === undefined ? undefined : copyOf(resetToken)
    this.#current = { sequence: 0, bytes: copyOf(first), resetToken: token }
  }

  get current(): Uint8Array {
    return this.#current.bytes
  }

  /** What a stateless reset of the peer would carry. */
  get resetToken(): Uint8Array | undefined {
    return this.#current.resetToken
  }

  /** Changes to one never used; stays where the stock is empty. */
  moveOn(): void {
    const next = this.#spare.shift()
    if (next !== undefined) this.#current = next
  }

  handleNew(
    sequence: number,
    retirePriorTo: number,
    id: Uint8Array,
    resetToken: Uint8Array,
  ): Violation | undefined {
    const known = this.#spare.find((spare) => spare.sequence === sequence)
    if (known !== undefined) {
      if (equalBytes(known.bytes, id)) return undefined
      return violation('protocolViolation', 'two connection ids of one sequence')
    }
    if (sequence > this.#current.sequence) {
      this.#spare.push({ sequence, bytes: copyOf(id), resetToken: copyOf(resetToken) })
    }
    this.#spare.sort((a, b) => a.sequence - b.sequence)
    this.#spare = this.#spare.filter((spare) => spare.sequence >= retirePriorTo)
    if (this.#current.sequence < retirePriorTo) this.moveOn()
    if (this.#spare.length <= MAX_REMOTE_IDS) return undefined
    return violation('connectionIdLimit', 'more connection ids than anybody needs')
  }
}

function matches(id: Uint8Array, bytes: Uint8Array, start: number): boolean {
  for (let i = 0; i < CONNECTION_ID_BYTES; i++) {
    if (id[i] !== bytes[start + i]) return false
  }
  return true
}
