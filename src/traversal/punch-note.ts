/**
 * What the two sides of a punching attempt tell each other over the relay: 64 bytes in a probe's frame
 * (`probe.ts`), kind 2.
 *
 *     14       16         17      18     20              48
 *     +--------+----------+-------+------+---------------+---------+
 *     |number 2|strategy 1|flags 1|port 2|   zeros 28    | HMAC 16 |
 *     +--------+----------+-------+------+---------------+---------+
 *
 * - number: which attempt of the session, counted by the initiator.
 * - strategy: its place in `strategyKinds`; the highest bit says that the responder is the active side.
 * - flags: bit 0, *ready*: our sockets are open and our openers on their way; bit 1, *heard*: the peer's ready note has
 *   come; bit 2, *done*: and the peer has said that it heard ours, so this note wants no answer. The rest is zero and
 *   ignored.
 * - port: where the peer is to find us, or to begin to look; 0 where there is nothing to tell. Never an address: that is
 *   the one which the server attested.
 */
import { type Decoded, decoded, malformed } from '../core/decoded.ts'
import { NOTE_BODY_BYTES } from './probe.ts'
import { type Strategy, strategyKinds } from './strategy.ts'

export interface PunchNote {
  readonly number: number
  readonly strategy: Strategy
  readonly isReady: boolean
  readonly hasHeard: boolean
  readonly isDone: boolean
  readonly port: number | undefined
}

const NUMBER = 0
const STRATEGY = 2
const FLAGS = 3
const PORT = 4

const RESPONDER_IS_ACTIVE = 0x80
const READY = 0b001
const HEARD = 0b010
const DONE = 0b100

export function encodePunchNote(note: PunchNote): Uint8Array {
  const body = Buffer.alloc(NOTE_BODY_BYTES)
  body.writeUInt16BE(note.number, NUMBER)
  body[STRATEGY] = codeOf(note.strategy)
  body[FLAGS] = (note.isReady ? READY : 0) | (note.hasHeard ? HEARD : 0) | (note.isDone ? DONE : 0)
  body.writeUInt16BE(note.port ?? 0, PORT)
  return body
}

export function decodePunchNote(body: Uint8Array): Decoded<PunchNote> {
  if (body.length < NOTE_BODY_BYTES) return malformed('note too short')
  const own = Buffer.from(body)
  const strategy = strategyOf(own[STRATEGY] ?? 0)
  if (strategy === undefined) return malformed('note of an unknown strategy')
  const flags = own[FLAGS] ?? 0
  const port = own.readUInt16BE(PORT)
  return decoded({
    number: own.readUInt16BE(NUMBER),
    strategy,
    isReady: (flags & READY) !== 0,
    hasHeard: (flags & HEARD) !== 0,
    isDone: (flags & DONE) !== 0,
    port: port === 0 ? undefined : port,
  })
}

export function sameStrategy(a: Strategy, b: Strategy): boolean {
  return codeOf(a) === codeOf(b)
}

function codeOf(strategy: Strategy): number {
  const isResponder = 'active' in strategy && strategy.active === 'responder'
  return strategyKinds.indexOf(strategy.kind) | (isResponder ? RESPONDER_IS_ACTIVE : 0)
}

function strategyOf(code: number): Strategy | undefined {
  const kind = strategyKinds[code & ~RESPONDER_IS_ACTIVE]
  const active = (code & RESPONDER_IS_ACTIVE) === 0 ? 'initiator' : 'responder'
  if (kind === undefined) return undefined
  switch (kind) {
    case 'predict':
    case 'birthday':
      return { kind, active }
    case 'punch':
    case 'fresh-sockets':
    case 'predict-both':
    case 'block-spray':
      return { kind }
  }
}
