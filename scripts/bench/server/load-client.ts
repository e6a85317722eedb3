/** The link that a daemon holds to its server (`tcp/server-link.ts`), with nothing behind it but counts. */
import { driveLink, type LinkDriver } from '../../../src/io/drive-link.ts'
import { systemRandom } from '../../../src/io/random.ts'
import { systemClock } from '../../../src/io/system-clock.ts'
import { TlsTickets } from '../../../src/io/tls-tickets.ts'
import { connectTls } from '../../../src/io/tls.ts'
import { type ServerLinkAddress, SESSION_ALPN } from '../../../src/protocol/server/link.ts'
import type { ServerLinkEvent } from '../../../src/tcp/server-link-event.ts'
import { ServerLink } from '../../../src/tcp/server-link.ts'
import { testDevice } from '../../../test/server/support/test-device.ts'
import { FIRST_NUMBER, handleOf, SALTED_PASSWORD } from './holler.ts'
import { Told } from './told.ts'
import { Turns } from './turns.ts'

/** As long as a daemon waits. */
const CONNECT_MS = 30_000

/** Each is a millisecond of work. */
const turns = new Turns(4)

export interface Tally {
  online: number
  /** Sessions that ended without being asked to. */
  disconnects: number
  /** Message ids under way, as hex: each is taken out by whom it is delivered to. */
  readonly underWay: Set<string>
  sent: number
  /** Delivered though it was not under way. */
  duplicates: number
  refused: number
  /** Buddies seen offline. */
  offlineSeen: number
  /** Attempts to come (back) that failed, by why. */
  readonly failures: Map<string, number>
}

export class LoadClient {
  readonly #machine: ServerLink
  readonly #driver: LinkDriver
  readonly #tally: Tally
  readonly #told = new Told()
  #isOnline = false
  #onOnline: (() => void) | undefined

  constructor(user: number, address: ServerLinkAddress, tally: Tally) {
    const handle = handleOf(user)
    const { identity, keys } = testDevice(handle)
    this.#tally = tally
    this.#machine = new ServerLink({
      user: handle,
      deviceIdentity: identity,
      deviceKeys: keys,
      client: 'bench/1',
      random: systemRandom,
      known: () => this.#told.known,
    })
    const tickets = new TlsTickets() // each its own, as daemons on machines of their own have
    const wanted = { ...address, alpn: SESSION_ALPN, timeoutMs: CONNECT_MS, tickets }
    this.#driver = driveLink(this.#machine, {
      clock: systemClock,
      connect: async () => {
        await turns.next()
        return await connectTls(wanted)
      },
      onEvent: (event) => this.#handle(event),
    })
  }

  get isOnline(): boolean {
    return this.#isOnline
  }

  async start(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#onOnline = resolve
      this.#driver.change((now) => this.#machine.start(now))
    })
  }

  send(to: number): void {
    const messageId = systemRandom.bytes(16)
    this.#tally.underWay.add(Buffer.from(messageId).toString('hex'))
    this.#tally.sent += 1
    const body = systemRandom.bytes(100)
    this.#driver.change((now) =>
      this.#machine.request(now, { kind: 'send', to: FIRST_NUMBER + to, messageId, body }),
    )
  }

  stop(): void {
    this.#driver.stop()
  }

  #handle(event: ServerLinkEvent): void {
    switch (event.kind) {
      case 'hash-wanted': {
        const { salt, hashing } = event
        const secret = { salt, hashing, saltedPassword: SALTED_PASSWORD }
        this.#driver.change((now) => this.#machine.passwordHashed(now, secret))
        return
      }
      case 'online':
        this.#isOnline = true
        this.#tally.online += 1
        this.#onOnline?.()
        return
      case 'offline':
        if (!this.#isOnline) {
          const text = event.text.replace(/\d+/g, 'N')
          this.#tally.failures.set(text, (this.#tally.failures.get(text) ?? 0) + 1)
          return
        }
        this.#isOnline = false
        this.#tally.online -= 1
        this.#tally.disconnects += 1
        return
      case 'message':
        this.#hear(event.message)
        return
      case 'answered':
        if (event.error !== undefined) this.#tally.refused += 1
        return
      case 'refused':
      case 'replaced':
      case 'stopped':
        return // these show as sessions that do not come
    }
  }

  #hear(message: Extract<ServerLinkEvent, { kind: 'message' }>['message']): void {
    switch (message.kind) {
      case 'deliver': {
        const id = Buffer.from(message.messageId).toString('hex')
        if (!this.#tally.underWay.delete(id)) this.#tally.duplicates += 1
        this.#driver.change((now) => this.#machine.acknowledge(now, [message.seq]))
        return
      }
      case 'presence': {
        const gone = message.entries.filter(({ state }) => state === 'offline')
        this.#tally.offlineSeen += gone.length
        this.#told.hear(message)
        return
      }
      case 'roster':
      case 'buddy-changed':
      case 'buddy-removed':
        this.#told.rosterIs(message.version)
        return
      case 'error':
      case 'introduced':
      case 'keys-left':
        return
    }
  }
}
