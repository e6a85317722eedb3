import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type Home,
  Internet,
  type RouterKind,
  SECOND_SERVER_ADDRESS,
  SERVER_ADDRESS,
} from '../../scripts/lab/internet.ts'
import { Namespaces } from '../../scripts/lab/namespaces.ts'
import type { PathView } from '../../src/protocol/control/schema.ts'
import { befriend, messageArrives, Person, type Server, startServer } from '../support/household.ts'
import { stopAllPrograms } from '../support/programs.ts'

/** Where the server answers STUN first. */
export const STUN = `${SERVER_ADDRESS}:3478`

/** A server on the internet, and two people behind routers of their own. */
export class Laboratory {
  readonly internet: Internet
  readonly server: Server
  readonly homes: readonly [Home, Home]
  readonly alice: Person
  readonly bob: Person
  readonly #namespaces: Namespaces
  readonly #directory: string

  private constructor(
    parts: { namespaces: Namespaces; directory: string; internet: Internet },
    server: Server,
    homes: readonly [Home, Home],
  ) {
    this.#namespaces = parts.namespaces
    this.#directory = parts.directory
    this.internet = parts.internet
    this.server = server
    this.homes = homes
    this.alice = personAt(homes[0], 'alice', parts.directory)
    this.bob = personAt(homes[1], 'bob', parts.directory)
  }

  static async build(a: RouterKind, b: RouterKind): Promise<Laboratory> {
    const namespaces = new Namespaces()
    const directory = await mkdtemp(join(tmpdir(), 'hlab-'))
    try {
      const internet = await Internet.create(namespaces)
      const homes = [await internet.addHome('a', a), await internet.addHome('b', b)] as const
      const server = await startServerOn(internet, directory)
      return new Laboratory({ namespaces, directory, internet }, server, homes)
    } catch (error) {
      await cleanUp(namespaces, directory)
      throw error
    }
  }

  /** Both daemons up, both accounts made, each a buddy of the other and online. */
  async moveIn(): Promise<void> {
    await Promise.all([this.alice.startDaemon(), this.bob.startDaemon()])
    await this.alice.register(this.server.link)
    await this.bob.register(this.server.link)
    await befriend(this.alice, this.bob)
  }

  /** Waits until both talk over a path of this kind. */
  async bothReach(kind: PathView['kind'], withinMs: number): Promise<void> {
    await Promise.all([
      this.alice.pathOfKind('bob', [kind], withinMs),
      this.bob.pathOfKind('alice', [kind], withinMs),
    ])
  }

  async close(): Promise<void> {
    await cleanUp(this.#namespaces, this.#directory)
  }
}

async function startServerOn({ server }: Internet, directory: string): Promise<Server> {
  return startServer({
    dataDir: join(directory, 'server'),
    listen: `${SERVER_ADDRESS}:7443`,
    udp: STUN,
    udpAlt: `${SECOND_SERVER_ADDRESS}:3479`,
    prefix: server.prefix,
  })
}

/** A message that must arrive and be acknowledged, whatever happens on the way. */
export async function sendAndReceive(from: Person, to: Person, text: string): Promise<void> {
  await from.json(['send', to.name, text, '--wait', 'delivered', '--timeout', '60s'])
  await messageArrives(to, text)
}

function personAt(home: Home, name: string, directory: string): Person {
  return new Person({ name, directory: join(directory, name), prefix: home.host.prefix })
}

async function cleanUp(namespaces: Namespaces, directory: string): Promise<void> {
  await stopAllPrograms()
  await namespaces.close()
  await rm(directory, { recursive: true, force: true })
}
