import type { Store } from '../../../src/core/store.ts'
import { silentLogger } from '../../../src/core/logger.ts'
import { type Archive, openArchive } from '../../../src/daemon/archive.ts'
import { Conversations } from '../../../src/daemon/conversations.ts'
import type { StoredMessage } from '../../../src/daemon/history.ts'
import { Journal } from '../../../src/daemon/journal.ts'
import type { ShownKeys } from '../../../src/daemon/pins.ts'
import type { Buddy } from '../../../src/daemon/roster.ts'
import type { ControlEvent, DurableEventType } from '../../../src/protocol/control/schema.ts'
import { decodePeerMessage } from '../../../src/protocol/peer/codec.ts'
import type { PeerMessage } from '../../../src/protocol/peer/peer-message.ts'
import { SeededRandom } from '../../sim/seeded-random.ts'
import { ManualClock } from './manual-clock.ts'

export interface PersonOptions {
  readonly number: number
  readonly handle: string
  readonly store: Store
  readonly clock?: ManualClock
  /** Other keys than this number's usual ones. */
  readonly keySeed?: number
}

/** One side of a conversation: a real archive and real conversations, whose network is a `Line`. */
export class Person {
  readonly number: number
  readonly handle: string
  readonly clock: ManualClock
  readonly keys: ShownKeys
  readonly journal: Journal
  readonly archive: Archive
  readonly conversations: Conversations
  /** Whom it would like to be introduced to. */
  readonly wanted: number[] = []
  line: Line | undefined

  static async open(options: PersonOptions): Promise<Person> {
    const clock = options.clock ?? new ManualClock()
    const journal = await Journal.open({ store: options.store, clock })
    const random = new SeededRandom(options.number + journal.lastSeq)
    const ports = { store: options.store, journal, clock, random, logger: silentLogger }
    return new Person(options, clock, journal, await openArchive(ports, '0001'))
  }

  private constructor(
    { number, handle, keySeed }: PersonOptions,
    clock: ManualClock,
    journal: Journal,
    archive: Archive,
  ) {
    this.number = number
    this.handle = handle
    this.clock = clock
    this.keys = {
      identity: new Uint8Array(32).fill((keySeed ?? number) % 256),
      static: new Uint8Array(32).fill(((keySeed ?? number) + 1) % 256),
    }
    this.journal = journal
    this.archive = archive
    this.conversations = new Conversations(archive, {
      send: (peer, bytes) => this.line?.send(this, peer, bytes) ?? false,
      wantSession: (peer) => this.wanted.push(peer),
      disconnect: () => this.line?.cut(),
      withdraw: () => undefined,
    })
  }

  async befriend(other: { readonly number: number; readonly handle: string }): Promise<void> {
    const { number, handle } = other
    await this.archive.roster.change({ number, handle, state: 'accepted' }, '')
  }

  buddy(other: { readonly number: number }): Buddy {
    return this.archive.roster.require(other.number)
  }

  async say(to: { readonly number: number }, text: string): Promise<StoredMessage> {
    return await this.conversations.send({ to: this.buddy(to), text })
  }

  async state({ id }: StoredMessage): Promise<string | undefined> {
    return (await this.archive.history.get(id))?.state
  }

  async events(type: DurableEventType): Promise<ControlEvent[]> {
    const events: ControlEvent[] = []
    for await (const event of this.journal.read(0, 100_000)) {
      if (event.type === type) events.push(event)
    }
    return events
  }

  /** The texts that this person was shown, in the order they were announced. */
  async heard(): Promise<unknown[]> {
    return (await this.events('message.received')).map(({ data }) => data['text'])
  }
}

interface Letter {
  readonly from: Person
  readonly to: Person
  readonly bytes: Uint8Array
}

/** A live session between two people: what one sends lies on the line until `flush` carries it over. */
export class Line {
  readonly #ends: readonly [Person, Person]
  #letters: Letter[] = []
  #isCut = false
  /** Everything that was carried over, for counting. */
  readonly carried: PeerMessage[] = []
  /** How many messages a side may have on the line before it is told that there is no room. */
  room = Infinity

  static connect(one: Person, other: Person): Line {
    const line = new Line(one, other)
    one.line = line
    other.line = line
    one.conversations.with(other.number).connected(other.keys)
    other.conversations.with(one.number).connected(one.keys)
    return line
  }

  private constructor(one: Person, other: Person) {
    this.#ends = [one, other]
  }

  send(from: Person, to: number, bytes: Uint8Array): boolean {
    const other = this.#ends.find(({ number }) => number === to)
    const onTheWay = this.#letters.filter((letter) => letter.from === from).length
    if (this.#isCut || other === undefined || onTheWay >= this.room) return false
    this.#letters.push({ from, to: other, bytes: Uint8Array.from(bytes) })
    return true
  }

  /** The session ends; what lies on the line is lost. */
  cut(): void {
    if (this.#isCut) return
    this.#isCut = true
    this.#letters = []
    const [one, other] = this.#ends
    if (one.line === this) one.conversations.with(other.number).closed()
    if (other.line === this) other.conversations.with(one.number).closed()
  }

  /** Carries over what is on the line, and what that leads to, until nothing moves; `isLost` loses some. */
  async flush(isLost: (message: PeerMessage) => boolean = () => false): Promise<void> {
    await this.#settle()
    while (this.#letters.length > 0) {
      const letters = this.#letters
      this.#letters = []
      for (const { from, to, bytes } of letters) {
        const message = decodePeerMessage(bytes)
        if (!message.ok || isLost(message.value)) continue
        this.carried.push(message.value)
        to.conversations.with(from.number).receive(bytes)
      }
      for (const [one, other] of [this.#ends, [this.#ends[1], this.#ends[0]]] as const) {
        if (!this.#isCut) one.conversations.with(other.number).sendReady()
      }
      await this.#settle()
    }
  }

  async #settle(): Promise<void> {
    // Steps may begin steps; after two quiet rounds there are none.
    for (let round = 0; round < 3; round++) {
      for (const { conversations } of this.#ends) await conversations.idle()
    }
  }
}
