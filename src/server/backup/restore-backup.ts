/**
 * A backup put back into an empty directory. Everything is made in a directory of its own inside, and moved to its
 * place when the last frame has been read and fits; the store last, so that a directory with a store is whole.
 */
import { type FileHandle, open, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Decoded } from '../../core/decoded.ts'
import { HollerError } from '../../core/holler-error.ts'
import type { Store, StoreChange } from '../../core/store.ts'
import { openLevelStore } from '../../io/level-store.ts'
import { makeDirectory, syncDirectory } from '../../io/make-directory.ts'
import { DamagedData } from '../damaged-data.ts'
import { DataDirectory, RESTORING } from '../data-directory.ts'
import { checkIntegrity, type IntegrityReport } from '../store/integrity.ts'
import { openServerStore } from '../store/kv-server-store.ts'
import { skipNumbers } from '../store/new-account.ts'
import { isIntact } from '../store/record.ts'
import { Records } from '../store/records.ts'
import {
  type BackupEnd,
  type BackupHeader,
  CHAIN_BYTES,
  decodeEnd,
  decodeFile,
  decodeHead,
  decodeHeader,
  decodePreamble,
  decodeRecords,
  firstChain,
  type FrameKind,
  HEAD_BYTES,
  isChained,
  PREAMBLE_BYTES,
} from './format.ts'

export interface RestoreDone extends BackupHeader, BackupEnd {
  readonly report: IntegrityReport
}

interface Frame {
  readonly kind: FrameKind
  readonly payload: Uint8Array
}

/**
 * @throws HollerError `NOT_FOUND` without the file, DamagedData when it is not whole or of a later version,
 * `STORE_UNUSABLE` when the directory is not empty or cannot be written. The directory is empty then as it was.
 */
export async function restoreBackup(from: string, directory: string): Promise<RestoreDone> {
  const file = await openBackup(from)
  try {
    const data = new DataDirectory(directory)
    await data.prepare()
    if ((await readdir(directory)).length > 0) {
      throw new HollerError('STORE_UNUSABLE', `The directory "${directory}" is not empty`)
    }
    const made = join(directory, RESTORING)
    await makeDirectory(made, 0o700)
    try {
      const done = await rebuild(framesOf(file, from), made, from)
      await moveUp(made, directory)
      return done
    } finally {
      await rm(made, { recursive: true, force: true })
    }
  } finally {
    await file.close()
  }
}

async function rebuild(
  frames: AsyncIterable<Frame>,
  directory: string,
  from: string,
): Promise<RestoreDone> {
  const disk = await openLevelStore(join(directory, 'store'))
  try {
    const read = await readInto(frames, { disk, directory, from })
    const report = await checkIntegrity(disk, { mends: true, isTimeUp: () => false })
    await skipNumbers(new Records(disk))
    await (await openServerStore(disk)).close() // of a later format: refused here
    return { ...read, report }
  } catch (error) {
    await disk.close()
    throw error
  }
}

interface Target {
  readonly disk: Store
  readonly directory: string
  readonly from: string
}

async function readInto(
  frames: AsyncIterable<Frame>,
  { disk, directory, from }: Target,
): Promise<BackupHeader & BackupEnd> {
  const must = <T>(read: Decoded<T>): T => {
    if (!read.ok) throw notWhole(from, read.why)
    return read.value
  }
  let header: BackupHeader | undefined
  let files = 0
  let records = 0
  for await (const { kind, payload } of frames) {
    switch (kind) {
      case 'header':
        header = must(decodeHeader(payload))
        break
      case 'file': {
        const { name, bytes } = must(decodeFile(payload))
        await writeFile(join(directory, name), bytes, { mode: 0o600, flag: 'wx', flush: true })
        files += 1
        break
      }
      case 'records': {
        const read = must(decodeRecords(payload))
        const changes = read.map(([key, value]): StoreChange => {
          if (!isIntact(key, value)) throw notWhole(from, 'a record in it is damaged')
          return { kind: 'put', key, value }
        })
        await disk.write(changes)
        records += read.length
        break
      }
      case 'end': {
        const end = must(decodeEnd(payload))
        if (header === undefined || end.files !== files || end.records !== records) {
          throw notWhole(from, 'something in it is missing')
        }
        return { ...header, ...end }
      }
    }
  }
  throw notWhole(from, 'it ends too early')
}

/** Each frame once its chain is seen to fit; ends behind the frame `end`, with which the file must end too. */
async function* framesOf(file: FileHandle, from: string): AsyncIterable<Frame> {
  const must = <T>(read: Decoded<T>): T => {
    if (!read.ok) throw notWhole(from, read.why)
    return read.value
  }
  const take = async (length: number): Promise<Uint8Array> => {
    const bytes = Buffer.alloc(length)
    let filled = 0
    while (filled < length) {
      const { bytesRead } = await file.read(bytes, filled, length - filled)
      if (bytesRead === 0) throw notWhole(from, 'it ends too early')
      filled += bytesRead
    }
    return bytes
  }
  must(decodePreamble(await take(PREAMBLE_BYTES)))
  let chain = firstChain()
  for (;;) {
    const { kind, length } = must(decodeHead(await take(HEAD_BYTES)))
    const payload = await take(length)
    const next = await take(CHAIN_BYTES)
    if (!isChained(chain, kind, payload, next)) throw notWhole(from, 'its bytes have changed')
    chain = next
    if (kind === 'end' && (await file.read(Buffer.alloc(1), 0, 1)).bytesRead > 0) {
      throw notWhole(from, 'something follows its end')
    }
    yield { kind, payload }
    if (kind === 'end') return
  }
}

async function moveUp(from: string, to: string): Promise<void> {
  const names = (await readdir(from)).filter((name) => name !== 'store')
  for (const name of [...names, 'store']) await rename(join(from, name), join(to, name))
  await syncDirectory(to)
}

async function openBackup(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r')
  } catch (error) {
    const why = (error as Error).message
    throw new HollerError('NOT_FOUND', `Cannot read the backup "${path}": ${why}`, { cause: error })
  }
}

function notWhole(path: string, why: string): HollerError {
  return new DamagedData(`Cannot restore "${path}": ${why}`)
}
