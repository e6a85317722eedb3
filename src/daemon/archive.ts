/** What the conversations of one account share: its records, and who wants to hear of changes. */
import type { Clock } from '../core/clock.ts'
import type { Logger } from '../core/logger.ts'
import type { Random } from '../core/random.ts'
import type { Store } from '../core/store.ts'
import { History, type StoredMessage } from './history.ts'
import type { Journal } from './journal.ts'
import { Listeners } from './listeners.ts'
import { Outbox } from './outbox.ts'
import { Pins } from './pins.ts'
import { Roster } from './roster.ts'
import { Tally } from './tally.ts'

export interface ArchiveOptions {
  readonly store: Store
  readonly journal: Journal
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

export interface Archive {
  readonly store: Store
  /** What the keys of this account's records begin with. */
  readonly slot: string
  readonly journal: Journal
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly roster: Roster
  readonly pins: Pins
  readonly history: History
  readonly outbox: Outbox
  /** Told after each change of a message's state is on disk. */
  readonly stateChanges: Listeners<StoredMessage>
  readonly dropped: Tally
}

export async function openArchive(
  { store, journal, clock, random, logger }: ArchiveOptions,
  slot: string,
): Promise<Archive> {
  return {
    store,
    slot,
    journal,
    clock,
    random,
    logger,
    roster: await Roster.open(store, journal, slot),
    pins: await Pins.open(store, journal, slot),
    history: new History(store, slot),
    outbox: await Outbox.open(store, slot),
    stateChanges: new Listeners(),
    dropped: new Tally(),
  }
}
