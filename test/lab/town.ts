import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildHome, type Home, type HomeKind, type HomeOnLine } from '../../scripts/lab/homes.ts'
import type { LineConditions } from '../../scripts/lab/router/control.ts'
import {
  RouterInternet,
  SERVER_ADDRESSES,
  SERVER_IPV6_ADDRESS,
} from '../../scripts/lab/router/router-internet.ts'
import { Person, type Server, startServer } from '../support/household.ts'
import { inTurns } from './in-turns.ts'

const PASSWORD = 'correct horse battery staple'

/** Two hashes made to be slow, several at once on two cores. */
const REGISTER_MS = 90_000

/** Networks that let nothing else through let this one. */
const SERVER_PORT = 443

/** A home is a dozen short processes, a daemon one that computes: two of these keep two cores busy. */
const AT_ONCE = 3

/** Ten milliseconds each way between a home and the exchange: 40 ms from home to home and back, 20 to the server. */
export const CITY_LINE: LineConditions = { up: { latencyMs: 10 }, down: { latencyMs: 10 } }

export interface Resident<H extends Home = HomeOnLine> {
  readonly person: Person
  readonly home: H
}

export interface Settler {
  readonly name: string
  readonly kind: HomeKind
  /** `CITY_LINE` when absent. */
  readonly line?: LineConditions
  readonly seed?: number
}

/** An internet with a server, and people at home in it, each with a daemon and an account. */
export class Town {
  readonly internet: RouterInternet
  server: Server
  readonly #directory: string
  readonly #startServer: () => Promise<Server>
  readonly #people: Person[] = []

  private constructor(parts: TownParts, server: Server) {
    this.internet = parts.internet
    this.#directory = parts.directory
    this.#startServer = parts.start
    this.server = server
  }

  /** With IPv6 the server answers on one address of each family, and cannot tell clients what their NAT does. */
  static async found({ hasIpv6 = false } = {}): Promise<Town> {
    const directory = await mkdtemp(join(tmpdir(), 'htown-'))
    const internet = await RouterInternet.create()
    try {
      const start = (): Promise<Server> => startServerOn(internet, directory, hasIpv6)
      return new Town({ internet, directory, start }, await start())
    } catch (error) {
      await internet.close()
      throw error
    }
  }

  /** A home for each, a daemon in it and an account of this name; in the order of the settlers. */
  async settle(settlers: readonly Settler[]): Promise<readonly Resident[]> {
    const residents: Resident[] = []
    await inTurns([...settlers.entries()], AT_ONCE, async ([index, settler]) => {
      const { name, kind, line = CITY_LINE, seed = 1 + index } = settler
      const home = await buildHome(this.internet, kind, { line, seed })
      residents[index] = { home, person: await this.moveIn(name, home) }
    })
    return residents
  }

  /** A daemon and an account in a home that stands. `environment` of the daemon: `NAME=value`. */
  async moveIn(
    name: string,
    home: Home,
    { link = this.server.link, environment = [] as readonly string[] } = {},
  ): Promise<Person> {
    const person = new Person({
      name,
      directory: join(this.#directory, name),
      prefix: [...home.host.namespace.prefix, 'env', ...environment],
    })
    this.#people.push(person)
    await person.startDaemon()
    const account = { server: link, handle: name, password: PASSWORD }
    await person.request('account.register', account, REGISTER_MS)
    return person
  }

  /** For who has no IPv4. */
  get ipv6Link(): string {
    return this.server.link.replace(/\/\/[^/?]*:/, `//[${SERVER_IPV6_ADDRESS}]:`)
  }

  /** The server dies without a word; `comeBack` starts it again. */
  async killServer(): Promise<{ comeBack: () => Promise<void> }> {
    await this.server.program.stop('SIGKILL')
    return {
      comeBack: async () => {
        this.server = await this.#startServer()
      },
    }
  }

  async close(): Promise<void> {
    // Nothing of them is needed any more: they need not say goodbye to each other.
    await Promise.all(this.#people.map((person) => person.stopDaemon('SIGKILL')))
    await this.server.program.stop('SIGKILL')
    await this.internet.close()
    await rm(this.#directory, { recursive: true, force: true })
  }
}

/** A town for the tests of one suite, closed after them whatever happened. */
export function townOfSuite(options?: { readonly hasIpv6: boolean }): () => Town {
  let town: Town | undefined
  before(async () => {
    town = await Town.found(options)
  })
  after(async () => {
    await town?.close()
  })
  return () => {
    assert.ok(town !== undefined, 'the town was not founded')
    return town
  }
}

interface TownParts {
  readonly internet: RouterInternet
  readonly directory: string
  readonly start: () => Promise<Server>
}

async function startServerOn(
  { server }: RouterInternet,
  directory: string,
  hasIpv6: boolean,
): Promise<Server> {
  const [first, second] = SERVER_ADDRESSES
  const where = hasIpv6
    ? { listen: `[::]:${SERVER_PORT}`, udp: '[::]:3478' }
    : { listen: `${first}:${SERVER_PORT}`, udp: `${first}:3478`, udpAlt: `${second}:3479` }
  return startServer({
    dataDir: join(directory, 'server'),
    prefix: server.prefix,
    ...where,
  })
}
