/** The rows of a chat server, one after the other on one fresh server: what a session, a login, a message cost it. */
import { BUDDIES, buddiesOf, type ChatClient, type ChatServer, type Heard } from './chat-server.ts'
import { cpuSeconds, inParallel, pause, residentKib, until } from './usage.ts'

/** Logins at once: enough to keep the server busy, few enough that the load does not wait for itself. */
const AT_ONCE = 16

/** These warm it up, and are gone before anything is measured. */
const WARMING_UP = 50

/** Nothing has come for so long: all has been told. */
const QUIET_MS = 1_000

/** Garbage of the logins is collected, and timers have run. */
const IDLE_MS = 8_000

/** holler tells that somebody is gone 10 s later; then a login is news again. */
const GRACE_MS = 11_000

/** Within the burst of 256 messages that holler grants a session. */
const MESSAGES_EACH = 40
const PRESENCE_ROUNDS = 4

/** holler tells a state at most once a second. */
const PRESENCE_EVERY_MS = 1_200

export interface ChatFigures {
  readonly 'KiB a session': number
  readonly 'ms a login': number
  /** Only where a session can be resumed: to be gone, and back before anybody has noticed. */
  readonly 'ms a resumed login'?: number
  readonly 'µs a message': number
  readonly 'µs a presence': number
  /** Only where accepting is a promise: the others do not sync. */
  readonly 'accepts a second'?: number
}

export async function measureChat(server: ChatServer, users: number): Promise<ChatFigures> {
  try {
    await server.start(users)
    return await new ChatRun(server, users).measure()
  } finally {
    await server.stop()
  }
}

class ChatRun {
  readonly #server: ChatServer
  readonly #users: number
  readonly #heard: Heard = { messages: 0, presences: 0, accepted: 0 }
  #clients: ChatClient[] = []

  constructor(server: ChatServer, users: number) {
    this.#server = server
    this.#users = users
  }

  async measure(): Promise<ChatFigures> {
    await this.#logIn(Math.min(WARMING_UP, this.#users))
    await this.#logOut()
    const before = residentKib(this.#server.pid)
    await this.#logIn(this.#users)
    await pause(IDLE_MS)
    const session = (residentKib(this.#server.pid) - before) / this.#users
    await this.#logOut() // devices are known from now on, as they are in daily life
    const login = await this.#cpuOf(() => this.#logIn(this.#users))
    const resumed = await this.#resumedMs()
    await this.#sendAll(2)
    const message = await this.#cpuOf(() => this.#sendAll(MESSAGES_EACH))
    const presencesBefore = this.#heard.presences
    const presence = await this.#cpuOf(() => this.#changeAll())
    const presences = this.#heard.presences - presencesBefore
    const accepts = this.#server.name === 'holler' ? await this.#acceptsPerSecond() : undefined
    await this.#logOut()
    return {
      'KiB a session': session,
      'ms a login': (login * 1e3) / this.#users,
      ...(resumed === undefined ? {} : { 'ms a resumed login': resumed }),
      'µs a message': (message * 1e6) / (this.#users * MESSAGES_EACH),
      'µs a presence': (presence * 1e6) / presences,
      ...(accepts === undefined ? {} : { 'accepts a second': accepts }),
    }
  }

  async #logIn(count: number): Promise<void> {
    const clients: ChatClient[] = []
    await inParallel(count, AT_ONCE, async (user) => {
      clients[user] = await this.#server.logIn(user, this.#heard)
    })
    this.#clients = clients
    await this.#quiet()
  }

  async #resumedMs(): Promise<number | undefined> {
    if (this.#server.resume === undefined) return undefined
    await this.#resumeAll() // TLS tickets, and what this costs for the first time
    const seconds = await this.#cpuOf(() => this.#resumeAll())
    return (seconds * 1e3) / this.#users
  }

  async #resumeAll(): Promise<void> {
    await inParallel(this.#users, AT_ONCE, async (user) => {
      this.#clients[user]?.close()
      const client = await this.#server.resume?.(user, this.#heard)
      if (client !== undefined) this.#clients[user] = client
    })
    await this.#quiet()
  }

  async #logOut(): Promise<void> {
    for (const client of this.#clients) client.close()
    this.#clients = []
    await pause(GRACE_MS)
  }

  /** To each buddy in turn. */
  async #sendAll(each: number): Promise<void> {
    const wanted = this.#heard.messages + this.#users * each
    for (let count = 0; count < each; count++) {
      for (const [user, client] of this.#clients.entries()) {
        client.message(buddiesOf(user, this.#users)[count % BUDDIES] ?? 0)
      }
      // Not all at once: queues of a second are not what is measured.
      const sofar = wanted - this.#users * (each - count - 1)
      await until('the messages', () => this.#heard.messages >= sofar)
    }
  }

  async #changeAll(): Promise<void> {
    for (let round = 0; round < PRESENCE_ROUNDS; round++) {
      const wanted = this.#heard.presences + this.#users * BUDDIES
      const begunAt = performance.now()
      for (const client of this.#clients) client.setAway(round % 2 === 0)
      await until('the presence', () => this.#heard.presences >= wanted)
      await pause(Math.max(0, PRESENCE_EVERY_MS - (performance.now() - begunAt)))
    }
  }

  /** Every second user leaves, and is written to by those who stay: each message is synced before it is accepted. */
  async #acceptsPerSecond(): Promise<number> {
    for (const [user, client] of this.#clients.entries()) if (user % 2 === 0) client.close()
    await this.#quiet()
    const senders = [...this.#clients.entries()].filter(([user]) => user % 2 === 1)
    const wanted = this.#heard.accepted + senders.length * MESSAGES_EACH
    const begunAt = performance.now()
    for (let count = 0; count < MESSAGES_EACH; count++) {
      for (const [user, client] of senders) {
        const away = buddiesOf(user, this.#users).filter((buddy) => buddy % 2 === 0)
        client.message(away[count % away.length] ?? 0)
      }
      await pause(0)
    }
    await until('the messages to be accepted', () => this.#heard.accepted >= wanted)
    return (senders.length * MESSAGES_EACH * 1_000) / (performance.now() - begunAt)
  }

  async #quiet(): Promise<void> {
    let last = -1
    while (last !== this.#heard.presences) {
      last = this.#heard.presences
      await pause(QUIET_MS)
    }
  }

  async #cpuOf(work: () => Promise<void>): Promise<number> {
    const before = cpuSeconds(this.#server.pid)
    await work()
    return cpuSeconds(this.#server.pid) - before
  }
}
