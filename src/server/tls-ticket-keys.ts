/**
 * The keys of TLS session tickets, kept over restarts, so that a crowd that comes back after one need not go through
 * whole handshakes. Who steals them learns nothing of what was said, because each resumption has its own Diffie-Hellman
 * exchange (RFC 8446 §2.2), but can pretend to be the server, as with the TLS key beside them; so they are changed.
 */
import { z } from 'zod'
import { after } from '../core/instant.ts'
import type { TicketSettings, TlsListener } from '../io/tls.ts'
import type { DataDirectory } from './data-directory.ts'
import type { Outside } from './outside.ts'

const FILE = 'tls-ticket-keys'

/** Name, HMAC key and AES key, 16 bytes each: what OpenSSL wants. */
const KEYS_BYTES = 48

const DAY_MS = 24 * 60 * 60 * 1000

/** A ticket is as old as the connection that it came with, and daemons stay connected for days. RFC 8446 §4.6.1: at most a week. */
const TICKET_LIFE_MS = 7 * DAY_MS

/** Looked at every day, so they are a week old at most. */
const KEYS_LIFE_MS = 6 * DAY_MS

const kept = z.object({ madeAtMs: z.number(), keys: z.base64() })

export class TlsTicketKeys {
  readonly settings: TicketSettings
  readonly #directory: DataDirectory
  readonly #outside: Outside

  /** @throws HollerError `STORE_UNUSABLE` */
  static async open(directory: DataDirectory, outside: Outside): Promise<TlsTicketKeys> {
    return new TlsTicketKeys(await presentKeys(directory, outside), directory, outside)
  }

  private constructor(keys: Uint8Array, directory: DataDirectory, outside: Outside) {
    this.settings = { keys, lifeMs: TICKET_LIFE_MS }
    this.#directory = directory
    this.#outside = outside
  }

  /** Gives the listener new keys when it is time for them. Returns what ends that. */
  renewFor(listener: Pick<TlsListener, 'setTicketKeys'>): () => void {
    const { clock, logger, makeAlarm } = this.#outside
    const alarm = makeAlarm((now) => {
      alarm.set(after(now, DAY_MS))
      presentKeys(this.#directory, this.#outside).then(
        (keys) => listener.setTicketKeys(keys),
        // The old ones go on.
        (error: unknown) => logger.warn('Cannot renew the TLS ticket keys', { why: String(error) }),
      )
    })
    alarm.set(after(clock.now(), DAY_MS))
    return () => alarm.clear()
  }
}

/** Those of the file; new ones where there are none, or they are too old. */
async function presentKeys(
  directory: DataDirectory,
  { clock, random }: Outside,
): Promise<Uint8Array> {
  const nowMs = clock.wallNow()
  const present = read(await directory.read(FILE))
  const ageMs = present === undefined ? Infinity : nowMs - present.madeAtMs
  if (present !== undefined && ageMs >= 0 && ageMs < KEYS_LIFE_MS) return present.keys
  const keys = random.bytes(KEYS_BYTES)
  const text = JSON.stringify({ madeAtMs: nowMs, keys: Buffer.from(keys).toString('base64') })
  await directory.write(FILE, `${text}\n`)
  return keys
}

/** What cannot be read is as good as none. */
function read(text: string | undefined): { madeAtMs: number; keys: Uint8Array } | undefined {
  try {
    const { madeAtMs, keys } = kept.parse(JSON.parse(text ?? ''))
    const bytes = Uint8Array.from(Buffer.from(keys, 'base64'))
    return bytes.length === KEYS_BYTES ? { madeAtMs, keys: bytes } : undefined
  } catch {
    return undefined
  }
}
