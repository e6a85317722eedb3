/**
 * The writes, syncs and renames of a program, as strace saw them, and what a disk may hold when the power is cut.
 *
 * What is certain: what a file held when its last `fsync` ended, and every name given before any `fsync` ended (ext4
 * and XFS write names in their order, and a sync takes all earlier ones along). Everything later is the disk's choice:
 * of the names as many as it likes, in their order; of each file none of its unsynced writes, all, a part that ends
 * anywhere, or any of their pages and zeros instead of the others. Files do not wait for each other.
 */
import { createReadStream } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { createInterface } from 'node:readline'
import type { SeededRandom } from '../sim/seeded-random.ts'

export const TRACED =
  'openat,open,creat,write,pwrite64,writev,pwritev,ftruncate,fsync,fdatasync,sync_file_range,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,link,linkat,fallocate'

/** Begins what the traced program says, whatever it writes it to: loaders of its own write too. */
export const TOLD = 'TOLD '

/** What the disk is asked to choose from page by page. */
const PAGE = 4_096

export type TracedEvent =
  | { readonly kind: 'create'; readonly path: string }
  | { readonly kind: 'write'; readonly path: string; readonly bytes: Buffer }
  | { readonly kind: 'sync'; readonly path: string }
  | { readonly kind: 'rename'; readonly from: string; readonly to: string }
  | { readonly kind: 'unlink'; readonly path: string }
  /** What the program has said, behind `TOLD`. */
  | { readonly kind: 'told'; readonly text: string }

/** Of everything below `directory`, in the order in which the calls ended. @throws when strace saw what is not modelled */
export async function readTrace(file: string, directory: string): Promise<readonly TracedEvent[]> {
  const events: TracedEvent[] = []
  const unfinished = new Map<string, string>()
  const lines = createInterface({ input: createReadStream(file), crlfDelay: Infinity })
  for await (const line of lines) {
    const [, pid = '', text = ''] = /^(\d+)\s+(.*)$/s.exec(line) ?? []
    if (text.endsWith('<unfinished ...>')) {
      unfinished.set(pid, text.slice(0, -'<unfinished ...>'.length))
      continue
    }
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/s.exec(text)
    const call = resumed === null ? text : (unfinished.get(pid) ?? '') + (resumed[1] ?? '')
    const event = eventOf(call, directory)
    if (event !== undefined) events.push(event)
  }
  return events
}

function eventOf(call: string, directory: string): TracedEvent | undefined {
  const name = /^\w+/.exec(call)?.[0] ?? ''
  if (!/\) += +\d/.test(call)) return undefined // it failed, or is no call
  const strings = [...call.matchAll(/"((?:\\x[0-9a-f]{2})*)"/g)].map(([, hex = '']) => bytesOf(hex))
  const [path = '', to = ''] = strings.map((each) => each.toString())
  const open = pathOf(/^\w+\(\d+<((?:\\x[0-9a-f]{2})+)>/.exec(call)?.[1])
  const isInside = (each: string): boolean => each.startsWith(`${directory}/`) || each === directory
  switch (name) {
    case 'write':
      if (path.startsWith(TOLD)) return { kind: 'told', text: path.slice(TOLD.length) }
      return isInside(open)
        ? { kind: 'write', path: open, bytes: strings[0] ?? bytesOf('') }
        : undefined
    case 'fsync':
    case 'fdatasync':
      return isInside(open) ? { kind: 'sync', path: open } : undefined
    case 'open':
    case 'openat':
      return isInside(path) && call.includes('O_CREAT') ? { kind: 'create', path } : undefined
    case 'rename':
      return isInside(path) ? { kind: 'rename', from: path, to } : undefined
    case 'unlink':
      return isInside(path) ? { kind: 'unlink', path } : undefined
    case 'mkdir':
      return undefined // the directory itself is there before
    default:
      if (isInside(open) || isInside(path)) throw new Error(`Not modelled: ${call.slice(0, 200)}`)
      return undefined
  }
}

function pathOf(hex: string | undefined): string {
  return hex === undefined ? '' : bytesOf(hex).toString()
}

function bytesOf(hex: string): Buffer {
  return Buffer.from(hex.replaceAll('\\x', ''), 'hex')
}

interface TracedFile {
  readonly writes: Buffer[]
  /** So many of them are on disk for certain. */
  synced: number
}

interface NameChange {
  readonly path: string
  readonly file: TracedFile | undefined
}

/** All that has happened up to some event. */
export class TracedDisk {
  readonly told: string[] = []
  readonly #files = new Map<string, TracedFile>()
  readonly #changes: (readonly NameChange[])[] = []
  #certain = 0

  apply(event: TracedEvent): void {
    switch (event.kind) {
      case 'create':
        if (!event.path.endsWith('/LOCK'))
          this.#name({ path: event.path, file: { writes: [], synced: 0 } })
        break
      case 'write':
        this.#files.get(event.path)?.writes.push(event.bytes)
        break
      case 'sync': {
        const file = this.#files.get(event.path)
        if (file !== undefined) file.synced = file.writes.length
        this.#certain = this.#changes.length
        break
      }
      case 'rename':
        this.#name(
          { path: event.from, file: undefined },
          { path: event.to, file: this.#files.get(event.from) },
        )
        break
      case 'unlink':
        this.#name({ path: event.path, file: undefined })
        break
      case 'told':
        this.told.push(event.text)
    }
  }

  /** Writes what the disk may hold now into a directory. */
  async cutPower(directory: string, random: SeededRandom): Promise<void> {
    const [a = 0, b = 0] = random.bytes(2)
    const uncertain = this.#changes.length - this.#certain
    // All of the names, or none, are as likely as all between.
    const choice = a % 3
    const kept = choice === 0 ? uncertain : choice === 1 ? 0 : b % (uncertain + 1)
    const names = new Map<string, TracedFile>()
    for (const { path, file } of this.#changes.slice(0, this.#certain + kept).flat()) {
      if (file === undefined) names.delete(path)
      else names.set(path, file)
    }
    await mkdir(directory, { recursive: true, mode: 0o700 })
    for (const [path, file] of names) {
      await writeFile(join(directory, basename(path)), contentOf(file, random))
    }
  }

  #name(...changes: readonly NameChange[]): void {
    for (const { path, file } of changes) {
      if (file === undefined) this.#files.delete(path)
      else this.#files.set(path, file)
    }
    this.#changes.push(changes)
  }
}

function contentOf({ writes, synced }: TracedFile, random: SeededRandom): Buffer {
  const certain = Buffer.concat(writes.slice(0, synced))
  const unsynced = Buffer.concat(writes.slice(synced))
  if (unsynced.length === 0) return certain
  const [how = 0, a = 0, b = 0, c = 0] = random.bytes(4)
  switch (how % 4) {
    case 0:
      return certain
    case 1:
      return Buffer.concat([certain, unsynced])
    case 2: {
      const length = (a * 65_536 + b * 256 + c) % (unsynced.length + 1)
      return Buffer.concat([certain, unsynced.subarray(0, length)])
    }
    default:
      return Buffer.concat([certain, withHoles(unsynced, certain.length, random)])
  }
}

/** Pages that did not get there read as zeros. */
function withHoles(bytes: Buffer, at: number, random: SeededRandom): Buffer {
  const torn = Buffer.from(bytes)
  for (let start = 0; start < torn.length;) {
    const end = start + PAGE - ((at + start) % PAGE)
    if ((random.bytes(1)[0] ?? 0) % 2 === 0) torn.fill(0, start, Math.min(end, torn.length))
    start = end
  }
  return torn
}
