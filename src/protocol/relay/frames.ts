/**
 * What a daemon and a relay say to each other over UDP, or as length-prefixed frames inside TLS.
 * `docs/protocol/relay.md` draws every frame and tells the sequence.
 *
 *     10 vv tttt | fields of the type, numbers big-endian
 *
 * The first two bits mark a relay frame among the protocols of the port (`core/datagram-kind.ts`), `vv` is the
 * version (00), `tttt` the type. No frame names an address: a relay sends only to who has bound a channel.
 * Nothing that a relay answers is longer than what it answers, so it cannot amplify.
 */
import { asBuffer, concatBytes, copyOf } from '../../core/bytes.ts'
import { type Decoded, decoded, malformed } from '../../core/decoded.ts'
import { TICKET_BYTES } from './ticket.ts'

declare const channelId: unique symbol

/** 16 hex digits: 64 random bits that the relay gave to one side of a pair. */
export type ChannelId = string & { readonly [channelId]: true }

/** Asks for a channel; first with a cookie of zeros and a signature of zeros, then with the relay's cookie, signed. */
export interface BindFrame {
  readonly kind: 'bind'
  readonly nonce: Uint8Array // 8 bytes, chosen by the client; every answer repeats it
  readonly cookie: Uint8Array // 16 bytes
  readonly ticket: Uint8Array // `relay/ticket.ts`, 169 bytes
  readonly signature: Uint8Array // 64 bytes, by one of the ticket's identities over crypto's `relayBindStatement`
}

/** Proves that the client receives where it sends from; the relay keeps no state for it. */
export interface CookieFrame {
  readonly kind: 'cookie'
  readonly nonce: Uint8Array
  readonly cookie: Uint8Array
}

export interface BoundFrame {
  readonly kind: 'bound'
  readonly nonce: Uint8Array
  readonly channel: ChannelId
  /** How long the relay keeps the channel without a frame from its owner. */
  readonly lifetimeSeconds: number
}

/** In the order of their numbers on the wire; unknown numbers read as `unspecified`. */
export const refusalReasons = [
  'unspecified',
  'ticket-malformed',
  'ticket-forged',
  'ticket-expired',
  'wrong-relay',
  'signature-invalid',
  'quota-used',
  'busy',
] as const

export type RefusalReason = (typeof refusalReasons)[number]

export interface RefusedFrame {
  readonly kind: 'refused'
  readonly nonce: Uint8Array
  readonly reason: RefusalReason
}

/** Keeps the channel, and the NAT's mapping towards the relay, alive. */
export interface PingFrame {
  readonly kind: 'ping' | 'pong'
  readonly channel: ChannelId
  readonly nonce: Uint8Array // 8 bytes
}

/** The relay restarted or the channel lapsed: bind again. */
export interface UnknownChannelFrame {
  readonly kind: 'unknown-channel'
  readonly channel: ChannelId
}

/** `channel` is the sender's own; what the relay passes on carries the receiver's. */
export interface DataFrame {
  readonly kind: 'data'
  readonly channel: ChannelId
  readonly payload: Uint8Array
}

export type RelayFrame =
  BindFrame | CookieFrame | BoundFrame | RefusedFrame | PingFrame | UnknownChannelFrame | DataFrame

export const RELAY_NONCE_BYTES = 8
export const RELAY_COOKIE_BYTES = 16
export const CHANNEL_BYTES = 8

/** What DATA adds to the datagram it carries. */
export const DATA_HEADER_BYTES = 1 + CHANNEL_BYTES

/** 258: longer than any answer to it (COOKIE 25, BOUND 21, REFUSED 10), so it needs no padding. */
export const BIND_BYTES = 1 + RELAY_NONCE_BYTES + RELAY_COOKIE_BYTES + TICKET_BYTES + 64

/** What the relay inside TLS is called in the handshake (RFC 7301): it shares the session's port. */
export const RELAY_ALPN = 'holler-relay/1'

/** Inside TLS a frame is no longer than over UDP, unfragmented over IPv4 (1500 − 20 − 8): the other side may be there. */
export const MAX_RELAY_FRAME_BYTES = 1472

const MARK = 0b1000_0000 // relay frame, version 00

/** In the order of their numbers on the wire; DATA is as long as what it carries. */
const FRAME_BYTES = [undefined, BIND_BYTES, 25, 21, 10, 17, 17, 9] as const

const types = {
  data: 0,
  bind: 1,
  cookie: 2,
  bound: 3,
  refused: 4,
  ping: 5,
  pong: 6,
  'unknown-channel': 7,
} as const satisfies Record<RelayFrame['kind'], number>

/** Makes a channel id of 8 bytes. */
export function channelOf(bytes: Uint8Array): ChannelId {
  if (bytes.length !== CHANNEL_BYTES) throw new RangeError(`Channel id of ${bytes.length} bytes`)
  return asBuffer(bytes).toString('hex') as ChannelId
}

export function encodeRelayFrame(frame: RelayFrame): Uint8Array {
  switch (frame.kind) {
    case 'data':
      return encodeData(frame.channel, frame.payload)
    case 'bind':
      return join(frame.kind, [
        sized(frame.nonce, RELAY_NONCE_BYTES),
        sized(frame.cookie, RELAY_COOKIE_BYTES),
        sized(frame.ticket, TICKET_BYTES),
        sized(frame.signature, 64),
      ])
    case 'cookie':
      return join(frame.kind, [
        sized(frame.nonce, RELAY_NONCE_BYTES),
        sized(frame.cookie, RELAY_COOKIE_BYTES),
      ])
    case 'bound':
      return join(frame.kind, [
        sized(frame.nonce, RELAY_NONCE_BYTES),
        channelBytes(frame.channel),
        uint32(frame.lifetimeSeconds),
      ])
    case 'refused':
      return join(frame.kind, [
        sized(frame.nonce, RELAY_NONCE_BYTES),
        Uint8Array.of(refusalReasons.indexOf(frame.reason)),
      ])
    case 'ping':
    case 'pong':
      return join(frame.kind, [channelBytes(frame.channel), sized(frame.nonce, RELAY_NONCE_BYTES)])
    case 'unknown-channel':
      return join(frame.kind, [channelBytes(frame.channel)])
  }
}

/** Everything but a DATA frame's payload is a copy; the payload is a view of `bytes`. Too long is ignored. */
export function decodeRelayFrame(bytes: Uint8Array): Decoded<RelayFrame> {
  const first = bytes[0]
  if (first === undefined) return malformed('empty datagram')
  if ((first & 0b1111_0000) !== MARK) return malformed('not a relay frame of version 0')
  const fields = new Fields(bytes)
  switch (first & 0b0000_1111) {
    case types.data:
      return finish(fields, { kind: 'data', channel: fields.channel(), payload: fields.rest() })
    case types.bind:
      return finish(fields, {
        kind: 'bind',
        nonce: fields.take(RELAY_NONCE_BYTES),
        cookie: fields.take(RELAY_COOKIE_BYTES),
        ticket: fields.take(TICKET_BYTES),
        signature: fields.take(64),
      })
    case types.cookie:
      return finish(fields, {
        kind: 'cookie',
        nonce: fields.take(RELAY_NONCE_BYTES),
        cookie: fields.take(RELAY_COOKIE_BYTES),
      })
    case types.bound:
      return finish(fields, {
        kind: 'bound',
        nonce: fields.take(RELAY_NONCE_BYTES),
        channel: fields.channel(),
        lifetimeSeconds: fields.uint32(),
      })
    case types.refused:
      return finish(fields, {
        kind: 'refused',
        nonce: fields.take(RELAY_NONCE_BYTES),
        reason: refusalReasons[fields.byte()] ?? 'unspecified',
      })
    case types.ping:
      return finish(fields, pingOf('ping', fields))
    case types.pong:
      return finish(fields, pingOf('pong', fields))
    case types['unknown-channel']:
      return finish(fields, { kind: 'unknown-channel', channel: fields.channel() })
    default:
      return malformed('relay frame of an unknown type')
  }
}

/** DATA, with one copy of the payload. */
export function encodeData(channel: ChannelId, payload: Uint8Array): Uint8Array {
  const frame = Buffer.allocUnsafe(DATA_HEADER_BYTES + payload.length)
  frame[0] = MARK | types.data
  writeChannel(frame, channel)
  frame.set(payload, DATA_HEADER_BYTES)
  return frame
}

/** How long the frame that begins here is; `undefined` for DATA, and when it is none of this version. */
export function relayFrameBytes(datagram: Uint8Array): number | undefined {
  return FRAME_BYTES[(datagram[0] ?? 0) ^ MARK]
}

/** The sender's channel, if `datagram` is a DATA frame: the relay's fast path asks this first and builds nothing. */
export function dataChannel(datagram: Uint8Array): ChannelId | undefined {
  if (datagram[0] !== (MARK | types.data) || datagram.length < DATA_HEADER_BYTES) return undefined
  return asBuffer(datagram).toString('hex', 1, DATA_HEADER_BYTES) as ChannelId
}

/** What a DATA frame carries, as a view of it. */
export function dataPayload(datagram: Uint8Array): Uint8Array {
  return datagram.subarray(DATA_HEADER_BYTES)
}

/** Rewrites a DATA frame in place for the other side: the relay forwards the very buffer that it received. */
export function readdressData(datagram: Uint8Array, channel: ChannelId): void {
  writeChannel(asBuffer(datagram), channel)
}

/** Reads fields in order; past the end it gives zeros and remembers. */
class Fields {
  readonly #bytes: Uint8Array
  #at = 1
  isShort = false

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  take(count: number): Uint8Array {
    const from = this.#at
    this.#at += count
    if (this.#at <= this.#bytes.length) return copyOf(this.#bytes.subarray(from, this.#at))
    this.isShort = true
    return new Uint8Array(count)
  }

  channel(): ChannelId {
    return channelOf(this.take(CHANNEL_BYTES))
  }

  uint32(): number {
    return asBuffer(this.take(4)).readUInt32BE(0)
  }

  byte(): number {
    return this.take(1)[0] ?? 0
  }

  rest(): Uint8Array {
    return this.#bytes.subarray(this.#at)
  }
}

function pingOf(kind: 'ping' | 'pong', fields: Fields): PingFrame {
  return { kind, channel: fields.channel(), nonce: fields.take(RELAY_NONCE_BYTES) }
}

function finish(fields: Fields, frame: RelayFrame): Decoded<RelayFrame> {
  return fields.isShort ? malformed(`${frame.kind} frame too short`) : decoded(frame)
}

function join(kind: keyof typeof types, parts: readonly Uint8Array[]): Uint8Array {
  return concatBytes(Uint8Array.of(MARK | types[kind]), ...parts)
}

function sized(bytes: Uint8Array, length: number): Uint8Array {
  if (bytes.length !== length) throw new RangeError(`Relay field of ${bytes.length} bytes`)
  return bytes
}

function uint32(value: number): Uint8Array {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

function channelBytes(channel: ChannelId): Uint8Array {
  return Buffer.from(channel, 'hex')
}

function writeChannel(frame: Buffer, channel: ChannelId): void {
  frame.write(channel, 1, CHANNEL_BYTES, 'hex')
}
