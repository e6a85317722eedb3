/** What people write to each other: every text is remembered, so that nothing can be lost or come twice unseen. */
import assert from 'node:assert/strict'
import { messageArrives, type Person } from '../support/household.ts'

/** Longer than any outage here: whatever happens, a message arrives. */
const DELIVERY_MS = 120_000

/** By the sender, then by the receiver's name; in the order in which they were sent. */
const sent = new WeakMap<Person, Map<string, string[]>>()
let count = 0

/** Sends one message and waits for it. The result: how long it took, from one control socket to the other. */
export async function send(from: Person, to: Person): Promise<number> {
  const { arrived } = await post(from, to, '')
  return arrived
}

interface Posted {
  /** How long it took, from one control socket to the other. */
  readonly arrived: Promise<number>
}

/** Resolves when the message is on the sender's disk. */
async function post(from: Person, to: Person, padding: string): Promise<Posted> {
  const text = `${++count} from ${from.name}${padding}`
  remember(from, to, text)
  const sentAt = Date.now()
  const arrived = messageArrives(to, text, DELIVERY_MS).then(({ at }) => Date.parse(at) - sentAt)
  arrived.catch(() => undefined) // whoever awaits it is told
  await from.request('message.send', { to: to.name, text })
  return { arrived }
}

/** Every text that one has sent is with the other, once, and in the order in which it was sent. */
export async function assertNothingLost(from: Person, to: Person): Promise<void> {
  await from.eventually(
    `nothing waits for ${to.name}`,
    async () => {
      const waiting = await from.request('outbox.list', {})
      return waiting.some(({ buddy }) => buddy.handle === to.name) ? undefined : true
    },
    DELIVERY_MS,
  )
  const received = to.events
    .filter(({ type, data }) => type === 'message.received' && handleOf(data['from']) === from.name)
    .map(({ data }) => data['text'])
  assert.deepEqual(received, lettersOf(from, to))
}

/** The handle of a person in an event. */
export function handleOf(person: unknown): unknown {
  return (person as { handle?: unknown } | undefined)?.handle
}

/**
 * Both write to each other all the time, so that a path in trouble is noticed; every message waits for the one before
 * to be queued, not to arrive.
 */
export class Chat {
  readonly #ends: readonly [Person, Person]
  readonly #arrivals: Promise<number>[] = []
  readonly #padding: string
  readonly #stop = new AbortController()
  readonly #talking: Promise<unknown>

  /** `padding` makes messages long: a transfer. */
  constructor(a: Person, b: Person, everyMs: number, padding = '') {
    this.#ends = [a, b]
    this.#padding = padding
    this.#talking = Promise.all([this.#talk(a, b, everyMs), this.#talk(b, a, everyMs)])
    this.#talking.catch(() => undefined) // `end` tells
  }

  /** The slowest message, once all have arrived. */
  async end(): Promise<number> {
    this.#stop.abort()
    await this.#talking
    const times = await Promise.all(this.#arrivals)
    const [a, b] = this.#ends
    await assertNothingLost(a, b)
    await assertNothingLost(b, a)
    return Math.max(...times)
  }

  async #talk(from: Person, to: Person, everyMs: number): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      const { arrived } = await post(from, to, this.#padding)
      this.#arrivals.push(arrived)
      await pause(everyMs, signal)
    }
  }
}

/** Time is what is measured here: this is not a wait for something that has an event. */
export async function pause(durationMs: number, signal?: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const end = (): void => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, durationMs)
    signal?.addEventListener('abort', end)
  })
}

function remember(from: Person, to: Person, text: string): void {
  const letters = sent.get(from) ?? new Map<string, string[]>()
  sent.set(from, letters)
  letters.set(to.name, [...(letters.get(to.name) ?? []), text])
}

function lettersOf(from: Person, to: Person): readonly string[] {
  return sent.get(from)?.get(to.name) ?? []
}
