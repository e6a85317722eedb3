/**
 * One record: `checksum 8 | JSON`. The checksum covers the key too, so that a record which turns up under another
 * key is as damaged as one whose bytes have changed: LevelDB's own checksums are of blocks, and not checked on read.
 */
import { z } from 'zod'
import { asBuffer, concatBytes, equalBytes, toBase64, utf8 } from '../../core/bytes.ts'
import { HollerError } from '../../core/holler-error.ts'
import type { StoreChange } from '../../core/store.ts'
import { sha256 } from '../../crypto/hash.ts'

const CHECKSUM_BYTES = 8

/** A record with the key that it is kept under. */
export type StorePut = Extract<StoreChange, { readonly kind: 'put' }>

/** Bytes are base64 on disk. */
export const bytesField = z.codec(
  z.base64(),
  z.custom<Uint8Array>((value) => value instanceof Uint8Array),
  { decode: (text) => Uint8Array.from(Buffer.from(text, 'base64')), encode: toBase64 },
)

export function putRecord<S extends z.ZodType>(
  schema: S,
  key: string,
  value: z.output<S>,
): StorePut {
  return putBytes(key, utf8(JSON.stringify(z.encode(schema, value))))
}

/** @throws HollerError `STORE_UNUSABLE` when this is not what was once written under the key. */
export function readRecord<S extends z.ZodType>(
  schema: S,
  key: string,
  bytes: Uint8Array,
): z.output<S> {
  if (!isIntact(key, bytes)) throw damaged(key)
  return readIntact(schema, key, bytes)
}

/** The same for bytes of which `isIntact` has been seen. @throws HollerError `STORE_UNUSABLE` when they do not fit the schema. */
export function readIntact<S extends z.ZodType>(
  schema: S,
  key: string,
  bytes: Uint8Array,
): z.output<S> {
  const json = bytes.subarray(CHECKSUM_BYTES)
  try {
    return z.decode(schema, JSON.parse(asBuffer(json).toString('utf8')) as z.input<S>)
  } catch (error) {
    throw damaged(key, error)
  }
}

/** Whether these are the bytes that were once written under the key, of whatever kind. */
export function isIntact(key: string, bytes: Uint8Array): boolean {
  const content = bytes.subarray(CHECKSUM_BYTES)
  return equalBytes(bytes.subarray(0, CHECKSUM_BYTES), checksumOf(key, content))
}

/** Bytes as they are, behind their checksum. */
export function putBytes(key: string, bytes: Uint8Array): StorePut {
  return { kind: 'put', key, value: concatBytes(checksumOf(key, bytes), bytes) }
}

/** @throws HollerError `STORE_UNUSABLE` when this is not what was once written under the key. */
export function readBytes(key: string, bytes: Uint8Array): Uint8Array {
  if (!isIntact(key, bytes)) throw damaged(key)
  return bytes.subarray(CHECKSUM_BYTES)
}

/** Where what is hashed is put together: a buffer for each would cost as much as its hash. */
const together = Buffer.allocUnsafe(64 * 1024)

function checksumOf(key: string, value: Uint8Array): Uint8Array {
  const keyBytes = Buffer.byteLength(key)
  const length = keyBytes + 1 + value.length
  const bytes = length > together.length ? Buffer.allocUnsafe(length) : together
  bytes.write(key)
  bytes[keyBytes] = 0
  bytes.set(value, keyBytes + 1)
  return sha256(bytes.subarray(0, length)).subarray(0, CHECKSUM_BYTES)
}

/** What a call of the store's port rejects with, whatever went wrong below. */
export function storeFailure(error: unknown): HollerError {
  if (error instanceof HollerError) return error
  const why = error instanceof Error ? error.message : String(error)
  return new HollerError('STORE_UNUSABLE', `The store failed: ${why}`, { cause: error })
}

function damaged(key: string, cause?: unknown): HollerError {
  return new HollerError('STORE_UNUSABLE', `The record "${key}" in the store is damaged`, { cause })
}
