/**
 * Attributes of our own, of IANA's ranges for "Designated Expert" (RFC 8489 §18.3); nobody has assigned them.
 *
 *     DELAY, in a request        type 0x7f10  |  seconds, 2 bytes  |  flags, 2 bytes: 1 = no answer before then
 *     DELAYED, in answers        type 0xff11  |  seconds still to wait, 2 bytes  |  0 0
 *     PORTS, empty in a request  type 0xff12  |  in an answer: ports on which the server listens, 2 bytes each
 *
 * DELAY must be understood: a server that does not know it refuses with 420, and so nobody takes an answer at once for
 * one that was delayed. PORTS need not be. `docs/protocol/stun.md` tells what they are for.
 */
import { asBuffer } from '../core/bytes.ts'
import type { StunMessage, UnknownAttribute } from './message.ts'

export const DELAY_TYPE = 0x7f10
const DELAYED_TYPE = 0xff11
const PORTS_TYPE = 0xff12

const SILENT = 1

/** RFC 4787 wants mappings to live 300 s; nobody needs to be called after twice as long. */
export const MAX_DELAY_SECONDS = 600

/** More than a server has reason to listen on; 32 bytes. */
const MAX_PORTS = 16

export interface Delay {
  readonly seconds: number
  /** No answer before then: the NAT sees a flow that nobody replied to. */
  readonly isSilent: boolean
}

export function delayAttribute({ seconds, isSilent }: Delay): UnknownAttribute {
  return attribute(DELAY_TYPE, [seconds, isSilent ? SILENT : 0])
}

/** `malformed` when it is there and says nothing that could be done. */
export function delayOf(message: StunMessage): Delay | 'malformed' | undefined {
  const value = valueOf(message, DELAY_TYPE)
  if (value === undefined) return undefined
  if (value.length !== 4) return 'malformed'
  const seconds = value.readUInt16BE(0)
  if (seconds === 0 || seconds > MAX_DELAY_SECONDS) return 'malformed'
  return { seconds, isSilent: (value.readUInt16BE(2) & SILENT) !== 0 }
}

export function delayedAttribute(secondsLeft: number): UnknownAttribute {
  return attribute(DELAYED_TYPE, [secondsLeft, 0])
}

/** How long the server still waits, as it says: 0 in the answer that was delayed; `undefined` where it did not delay. */
export function secondsLeftOf(message: StunMessage): number | undefined {
  const value = valueOf(message, DELAYED_TYPE)
  return value?.length === 4 ? value.readUInt16BE(0) : undefined
}

export const PORTS_WANTED: UnknownAttribute = attribute(PORTS_TYPE, [])

export function wantsPorts(message: StunMessage): boolean {
  return valueOf(message, PORTS_TYPE) !== undefined
}

export function portsAttribute(ports: readonly number[]): UnknownAttribute {
  return attribute(PORTS_TYPE, ports.slice(0, MAX_PORTS))
}

/** Each once, none of them 0. */
export function portsOf(message: StunMessage): readonly number[] | undefined {
  const value = valueOf(message, PORTS_TYPE)
  if (value === undefined || value.length % 2 !== 0 || value.length > 2 * MAX_PORTS)
    return undefined
  const ports = Array.from({ length: value.length / 2 }, (_, index) =>
    value.readUInt16BE(2 * index),
  )
  return [...new Set(ports)].filter((port) => port !== 0)
}

function attribute(type: number, numbers: readonly number[]): UnknownAttribute {
  const value = Buffer.alloc(2 * numbers.length)
  for (const [index, number] of numbers.entries()) value.writeUInt16BE(number, 2 * index)
  return { kind: 'unknown', type, value }
}

function valueOf(message: StunMessage, type: number): Buffer | undefined {
  for (const attribute of message.attributes) {
    if (attribute.kind === 'unknown' && attribute.type === type) return asBuffer(attribute.value)
  }
  return undefined
}
