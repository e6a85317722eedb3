import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { PathView } from '../../src/protocol/control/schema.ts'
import { befriend, Person, type Server, startServer } from '../support/household.ts'
import { stopAllPrograms } from '../support/programs.ts'

/** Not through the server. On one machine the daemons may call it either name. */
export const DIRECT: readonly PathView['kind'][] = ['direct', 'lan']

/** A server and some people on loopback, in a directory of their own that is gone afterwards. */
export class Playground {
  readonly directory: string

  private constructor(directory: string) {
    this.directory = directory
  }

  static async create(): Promise<Playground> {
    return new Playground(await mkdtemp(join(tmpdir(), 'holler-e2e-')))
  }

  get serverDataDir(): string {
    return join(this.directory, 'server')
  }

  async startServer(listen?: string): Promise<Server> {
    return startServer({ dataDir: this.serverDataDir, ...(listen !== undefined && { listen }) })
  }

  /** Somebody with a running daemon, and no account yet. */
  async person(name: string): Promise<Person> {
    const person = this.absentPerson(name)
    await person.startDaemon()
    return person
  }

  /** Somebody whose daemon does not run yet. */
  absentPerson(name: string): Person {
    return new Person({ name, directory: join(this.directory, name), bind: '127.0.0.1' })
  }

  /** Two people with accounts, each a buddy of the other and online. */
  async friends({ link }: Server): Promise<readonly [Person, Person]> {
    const [alice, bob] = await Promise.all([this.person('alice'), this.person('bob')])
    await alice.register(link)
    await bob.register(link)
    await befriend(alice, bob)
    return [alice, bob]
  }

  async close(): Promise<void> {
    await stopAllPrograms()
    await rm(this.directory, { recursive: true, force: true })
  }
}
