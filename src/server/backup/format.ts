/**
 * The file that `holler-server backup` writes: a magic and a version, then frames, each chained to all before it.
 *
 *     "holler-backup" | version 1 | frame…
 *     frame   = kind 1 | length 4 (big endian) | payload | chain 32
 *     chain   = SHA-256(the chain before it | kind | payload); before the first frame: SHA-256(magic | version)
 *     header  = JSON: the program's version, when
 *     file    = name length 1 | name | bytes          a file of the data directory
 *     records = (key length 2 | key | value length 4 | value)…   of the store, in their order
 *     end     = JSON: how many files and records there must have been
 *
 * Where a byte is changed, left out, repeated or moved, the chain breaks; what follows an `end`, or has none, is refused.
 * It guards against accidents: whoever can write the file can make another one.
 */
import { z } from 'zod'
import { concatBytes, equalBytes, utf8 } from '../../core/bytes.ts'
import { type Decoded, decoded, malformed } from '../../core/decoded.ts'
import { sha256 } from '../../crypto/hash.ts'

const MAGIC = utf8('holler-backup')
const VERSION = 1

/** Of a file: its magic and version. */
export const PREAMBLE_BYTES = MAGIC.length + 1
/** Of a frame: kind and length. */
export const HEAD_BYTES = 5
export const CHAIN_BYTES = 32

/** A frame of records is closed when it is longer; so this and one record is the most that is in memory at a time. */
export const FRAME_BYTES = 1024 * 1024
/** One record, or one file of the data directory, may come on top. */
const MOST_FRAME_BYTES = 8 * FRAME_BYTES

const kinds = { header: 1, file: 2, records: 3, end: 4 } as const

export type FrameKind = keyof typeof kinds

const headerFields = z.object({ program: z.string(), at: z.string() })
const endFields = z.object({ files: z.number(), records: z.number() })

export type BackupHeader = z.output<typeof headerFields>
export type BackupEnd = z.output<typeof endFields>
export type BackupRecord = readonly [key: string, value: Uint8Array]

export interface BackupFile {
  readonly name: string
  readonly bytes: Uint8Array
}

export function encodePreamble(): Uint8Array {
  return concatBytes(MAGIC, Uint8Array.of(VERSION))
}

export function decodePreamble(bytes: Uint8Array): Decoded<undefined> {
  if (!equalBytes(bytes.subarray(0, MAGIC.length), MAGIC)) return malformed('it is no backup')
  const version = bytes[MAGIC.length]
  if (version !== VERSION) return malformed(`it has format ${version ?? 0}, this version reads 1`)
  return decoded(undefined)
}

export function firstChain(): Uint8Array {
  return sha256(encodePreamble())
}

export function encodeFrame(kind: FrameKind, payload: Uint8Array, chain: Uint8Array): Uint8Array {
  const head = Buffer.alloc(HEAD_BYTES)
  head.writeUInt8(kinds[kind])
  head.writeUInt32BE(payload.length, 1)
  return concatBytes(head, payload, nextChain(chain, kinds[kind], payload))
}

/** The chain behind a frame: the last bytes of it. */
export function chainOf(frame: Uint8Array): Uint8Array {
  return frame.subarray(frame.length - CHAIN_BYTES)
}

export function decodeHead(head: Uint8Array): Decoded<{ kind: FrameKind; length: number }> {
  const buffer = Buffer.from(head)
  const kind = (Object.keys(kinds) as FrameKind[]).find((name) => kinds[name] === buffer[0])
  if (kind === undefined) return malformed('a frame is of no known kind')
  const length = buffer.readUInt32BE(1)
  return length > MOST_FRAME_BYTES ? malformed('a frame is too long') : decoded({ kind, length })
}

export function isChained(
  chain: Uint8Array,
  kind: FrameKind,
  payload: Uint8Array,
  next: Uint8Array,
): boolean {
  return equalBytes(next, nextChain(chain, kinds[kind], payload))
}

function nextChain(chain: Uint8Array, kind: number, payload: Uint8Array): Uint8Array {
  return sha256(chain, Uint8Array.of(kind), payload)
}

export function encodeHeader(header: BackupHeader): Uint8Array {
  return utf8(JSON.stringify(header))
}

export function decodeHeader(payload: Uint8Array): Decoded<BackupHeader> {
  return decodeJson(headerFields, payload)
}

export function encodeEnd(end: BackupEnd): Uint8Array {
  return utf8(JSON.stringify(end))
}

export function decodeEnd(payload: Uint8Array): Decoded<BackupEnd> {
  return decodeJson(endFields, payload)
}

export function encodeFile({ name, bytes }: BackupFile): Uint8Array {
  return concatBytes(Uint8Array.of(utf8(name).length), utf8(name), bytes)
}

/** A name that leads anywhere but into the data directory is malformed. */
export function decodeFile(payload: Uint8Array): Decoded<BackupFile> {
  const end = 1 + (payload[0] ?? 0)
  const name = Buffer.from(payload.subarray(1, end)).toString('utf8')
  if (!/^[a-z][a-z0-9.-]*$/.test(name)) return malformed('a file has no usable name')
  return decoded({ name, bytes: payload.subarray(end) })
}

export function encodeRecord([key, value]: BackupRecord): Uint8Array {
  const name = utf8(key)
  const lengths = Buffer.alloc(6)
  lengths.writeUInt16BE(name.length)
  lengths.writeUInt32BE(value.length, 2)
  return concatBytes(lengths.subarray(0, 2), name, lengths.subarray(2), value)
}

export function decodeRecords(payload: Uint8Array): Decoded<readonly BackupRecord[]> {
  const buffer = Buffer.from(payload)
  const records: BackupRecord[] = [] // ≤ the payload's length / 6
  let at = 0
  while (at < buffer.length) {
    if (at + 2 > buffer.length) return malformed('a record is cut off')
    const valueAt = at + 2 + buffer.readUInt16BE(at)
    if (valueAt + 4 > buffer.length) return malformed('a record is cut off')
    const end = valueAt + 4 + buffer.readUInt32BE(valueAt)
    if (end > buffer.length) return malformed('a record is cut off')
    records.push([buffer.toString('utf8', at + 2, valueAt), buffer.subarray(valueAt + 4, end)])
    at = end
  }
  return decoded(records)
}

function decodeJson<S extends z.ZodType>(schema: S, payload: Uint8Array): Decoded<z.output<S>> {
  try {
    const json: unknown = JSON.parse(Buffer.from(payload).toString('utf8'))
    const read = schema.safeParse(json)
    return read.success ? decoded(read.data) : malformed('a frame does not have its fields')
  } catch {
    return malformed('a frame is no JSON')
  }
}
