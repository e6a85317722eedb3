/** Message ids: 128 bits, time-ordered, so that ids sort as their messages were written (after RFC 9562 §5.7). */
import { asBuffer, concatBytes } from '../../core/bytes.ts'
import type { Random } from '../../core/random.ts'
import type { MessageId } from './peer-message.ts'

export const MESSAGE_ID_BYTES = 16

const TIME_BYTES = 6
const HEX_ID = /^[0-9a-f]{32}$/

/** A new id: 48 bits of wall clock, 80 random ones. */
export function newMessageId(atMs: number, random: Random): MessageId {
  const time = Buffer.alloc(TIME_BYTES)
  time.writeUIntBE(Math.floor(atMs), 0, TIME_BYTES)
  return messageIdOf(concatBytes(time, random.bytes(MESSAGE_ID_BYTES - TIME_BYTES)))
}

/** Brands 16 bytes. */
export function messageIdOf(bytes: Uint8Array): MessageId {
  if (bytes.length !== MESSAGE_ID_BYTES) throw new RangeError(`Message id of ${bytes.length} bytes`)
  return asBuffer(bytes).toString('hex') as MessageId
}

/** Reads what a person or a script gives: 32 lower-case hex digits. */
export function parseMessageId(text: string): MessageId | undefined {
  return HEX_ID.test(text) ? (text as MessageId) : undefined
}
