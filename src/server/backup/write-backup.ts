/**
 * A backup of a data directory into one file, whether a server runs on it or not: what was acknowledged before it
 * began is in it. The store is copied at one instant (`io/level-snapshot.ts`) and read from that copy, record by record.
 */
import { type FileHandle, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { concatBytes } from '../../core/bytes.ts'
import type { Clock } from '../../core/clock.ts'
import { HollerError } from '../../core/holler-error.ts'
import type { Store } from '../../core/store.ts'
import { syncDirectory } from '../../io/make-directory.ts'
import type { DataDirectory } from '../data-directory.ts'
import { SET_ASIDE, wordsOf } from '../store/integrity.ts'
import { isIntact } from '../store/record.ts'
import { withSnapshot } from './snapshot.ts'
import {
  type BackupEnd,
  chainOf,
  encodeEnd,
  encodeFile,
  encodeFrame,
  encodeHeader,
  encodePreamble,
  encodeRecord,
  firstChain,
  FRAME_BYTES,
  type FrameKind,
} from './format.ts'

/** Keys, certificates, the link. Whatever is longer is not the server's. */
const MOST_FILE_BYTES = FRAME_BYTES

/** Not in a backup: reports, and what is being written at this moment. */
const LEFT_OUT = /\.new$|^store-damage\.json$/

export interface BackupOptions {
  readonly data: DataDirectory
  readonly to: string
  readonly program: string
  readonly clock: Clock
}

export interface BackupDone extends BackupEnd {
  /** In words; left out, because they could not be restored. */
  readonly damaged: readonly string[]
}

/** @throws HollerError `STORE_UNUSABLE`, `NOT_FOUND` where there is no store; the file is there whole or not at all. */
export async function writeBackup(options: BackupOptions): Promise<BackupDone> {
  const { data, to } = options
  return await withSnapshot(data, async (store) => {
    const part = `${to}.part`
    const file = await openPart(part)
    try {
      const done = await writeAll(file, options, store)
      await file.sync()
      await file.close()
      await rename(part, to)
      await syncDirectory(dirname(to))
      return done
    } catch (error) {
      await file.close().catch(() => undefined)
      await rm(part, { force: true })
      throw cannotWrite(to, error)
    }
  })
}

async function writeAll(
  file: FileHandle,
  { data, program, clock }: BackupOptions,
  store: Store,
): Promise<BackupDone> {
  let chain = firstChain()
  const write = async (kind: FrameKind, payload: Uint8Array): Promise<void> => {
    const frame = encodeFrame(kind, payload, chain)
    chain = chainOf(frame)
    await file.writeFile(frame)
  }
  await file.writeFile(encodePreamble())
  await write('header', encodeHeader({ program, at: new Date(clock.wallNow()).toISOString() }))
  const names = await fileNames(data)
  for (const name of names) {
    await write('file', encodeFile({ name, bytes: await readFile(join(data.path, name)) }))
  }
  const { records, damaged } = await writeRecords(store, (payload) => write('records', payload))
  const end = { files: names.length, records }
  await write('end', encodeEnd(end))
  return { ...end, damaged }
}

async function writeRecords(
  store: Store,
  write: (payload: Uint8Array) => Promise<void>,
): Promise<{ readonly records: number; readonly damaged: readonly string[] }> {
  const damaged: string[] = [] // ≤ the damaged records, which are few or else all is lost
  let records = 0
  let parts: Uint8Array[] = [] // ≤ FRAME_BYTES and one record
  let bytes = 0
  for await (const [key, value] of store.range({})) {
    if (key.startsWith(SET_ASIDE)) continue
    if (!isIntact(key, value)) {
      damaged.push(wordsOf(key))
      continue
    }
    const part = encodeRecord([key, value])
    parts.push(part)
    records += 1
    bytes += part.length
    if (bytes < FRAME_BYTES) continue
    await write(concatBytes(...parts))
    parts = []
    bytes = 0
  }
  if (parts.length > 0) await write(concatBytes(...parts))
  return { records, damaged }
}

async function fileNames(data: DataDirectory): Promise<readonly string[]> {
  const names: string[] = [] // as many as a data directory has
  for (const entry of await readdir(data.path, { withFileTypes: true })) {
    if (!entry.isFile() || LEFT_OUT.test(entry.name)) continue
    if ((await stat(join(data.path, entry.name))).size <= MOST_FILE_BYTES) names.push(entry.name)
  }
  return names.sort()
}

async function openPart(path: string): Promise<FileHandle> {
  try {
    await rm(path, { force: true }) // of a backup that was interrupted
    return await open(path, 'wx', 0o600)
  } catch (error) {
    throw cannotWrite(path, error)
  }
}

function cannotWrite(path: string, error: unknown): unknown {
  if (error instanceof HollerError) return error
  const why = (error as Error).message
  return new HollerError('STORE_UNUSABLE', `Cannot write "${path}": ${why}`, { cause: error })
}
