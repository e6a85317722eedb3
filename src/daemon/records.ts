/**
 * How the daemon's records lie in its store: JSON values under keys that sort the way they are read.
 *
 * | key | holds |
 * |---|---|
 * | `device` | the seeds of this device's keys, and the store's instance id |
 * | `account/current`, `account/slot-SLOT` | who is logged in; each account that ever was, with its hashed password |
 * | `journal/SEQ`, `consumer/NAME` | durable events in order; how far a named consumer has acknowledged them |
 * | `nat-profiles` | what the NATs of the networks do that the host was in |
 * | `SLOT/roster/NUMBER`, `SLOT/pin/NUMBER` | the mirror of the server's buddy list; the identities seen first |
 * | `SLOT/message/ID`, `SLOT/conversation/NUMBER/ORDER` | messages; their ids in the order of a conversation |
 * | `SLOT/prekey-signed/N`, `SLOT/prekey/N`, `SLOT/prekey-next`, `SLOT/unreadable/NUMBER/ID` | keys for mail; mail that did not open |
 * | `SLOT/sequence/NUMBER`, `SLOT/outbox/NUMBER/SEQUENCE`, `SLOT/client/CLIENT-ID` | counters; what is not delivered yet; idempotency |
 *
 * A SLOT belongs to one account on one server, so that nothing of two accounts ever mixes.
 */
import { z } from 'zod'
import { toBase64, utf8 } from '../core/bytes.ts'
import { HollerError } from '../core/holler-error.ts'
import type { StoreChange, StoreRange } from '../core/store.ts'

/** Bytes in a record are base64 on disk. */
export const bytesField = z.codec(
  z.base64(),
  z.custom<Uint8Array>((value) => value instanceof Uint8Array),
  { decode: (text) => Buffer.from(text, 'base64'), encode: toBase64 },
)

/** The greatest character there is: no key under a prefix sorts behind prefix + this. */
const LAST_CHARACTER = '\u{10ffff}'

/** 2^53 has 16 digits: every safe integer, so that byte order is number order. */
const DIGITS = 16

export function sortable(number: number): string {
  return String(number).padStart(DIGITS, '0')
}

/** The number that a key ends with. */
export function lastNumberOf(key: string): number {
  return Number(key.slice(key.lastIndexOf('/') + 1))
}

export function everyKeyUnder(prefix: string): StoreRange {
  return { from: prefix, before: prefix + LAST_CHARACTER }
}

export function putRecord<S extends z.ZodType>(
  schema: S,
  key: string,
  value: z.output<S>,
): StoreChange {
  return { kind: 'put', key, value: utf8(JSON.stringify(z.encode(schema, value))) }
}

export function deleteRecord(key: string): StoreChange {
  return { kind: 'delete', key }
}

/** @throws HollerError `STORE_UNUSABLE` when the disk holds something that was never written there. */
export function readRecord<S extends z.ZodType>(
  schema: S,
  key: string,
  bytes: Uint8Array,
): z.output<S> {
  try {
    return z.decode(schema, JSON.parse(Buffer.from(bytes).toString('utf8')) as z.input<S>)
  } catch (error) {
    throw new HollerError('STORE_UNUSABLE', `The record "${key}" in the store is damaged`, {
      cause: error,
    })
  }
}
