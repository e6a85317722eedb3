/** What every chat server here can do, so that one scenario runs against all of them. */
import { spawnSync } from 'node:child_process'
import { cpus } from 'node:os'

/** Everybody has so many buddies: the ten numbers before and the ten after, around a ring. */
export const BUDDIES = 20

/** Counts of what all clients of a server have heard. */
export interface Heard {
  messages: number
  presences: number
  /** Messages that the server says it has. */
  accepted: number
}

export interface ChatClient {
  /** 100 bytes to that user. */
  message(to: number): void
  /** Tells the buddies of a state: away or there. */
  setAway(isAway: boolean): void
  close(): void
}

export interface ChatServer {
  readonly name: string
  /** Name and version, as the program tells it. */
  readonly version: string
  /** How its clients log in. */
  readonly login: string
  /** Starts with so many accounts, each with its buddies. */
  start(users: number): Promise<void>
  /** The process that does the work. */
  readonly pid: number
  /** Resolves when the list is there and presence was told. */
  logIn(user: number, heard: Heard): Promise<ChatClient>
  /** Back by what the last session left, where there is such a thing: nothing may be told anew. */
  resume?(user: number, heard: Heard): Promise<ChatClient>
  stop(): Promise<void>
}

export function buddiesOf(user: number, users: number): readonly number[] {
  const offsets = Array.from({ length: BUDDIES / 2 }, (_, index) => index + 1)
  return offsets.flatMap((offset) => [(user + offset) % users, (user - offset + users) % users])
}

/** Counts words in a stream, however it is cut. */
export class WordCounter {
  readonly #word: string
  #tail = ''

  constructor(word: string) {
    this.#word = word
  }

  /** How many have ended in this chunk. */
  count(chunk: string): number {
    const text = this.#tail + chunk
    let count = 0
    let end = 0
    for (let at = text.indexOf(this.#word); at !== -1; at = text.indexOf(this.#word, end)) {
      count += 1
      end = at + this.#word.length
    }
    // What may be the beginning of the word is looked at again with what follows.
    this.#tail = text.slice(Math.max(end, text.length - this.#word.length + 1))
    return count
  }
}

/** Where servers run: a CPU of their own where there are two. */
export function pinned(command: readonly string[]): [string, ...string[]] {
  return ['taskset', '-c', '0', ...command]
}

/** …and the load has the others. */
export function leaveFirstCpu(): void {
  const last = cpus().length - 1
  if (last > 0) spawnSync('taskset', ['-a', '-p', '-c', `1-${last}`, String(process.pid)])
}

/** `BENCH_NODE_FLAGS='--cpu-prof --cpu-prof-dir=/tmp/profiles'`: to see where the time goes. */
export function nodeFlags(): readonly string[] {
  return (process.env['BENCH_NODE_FLAGS'] ?? '').split(' ').filter(Boolean)
}
