/**
 * A real server under attack, and two people who use it meanwhile: whatever strangers do, those two must not notice.
 * The server is a process of its own, so its memory and its CPU time are the kernel's to tell.
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type TLSSocket } from 'node:tls'
import type { Endpoint } from '../../../src/core/endpoint.ts'
import { parseServerLink, SESSION_ALPN } from '../../../src/protocol/server/link.ts'
import type {
  AccountNumber,
  ServerMessage,
  SessionStart,
} from '../../../src/protocol/server/messages.ts'
import type { ServerLinkEvent } from '../../../src/tcp/server-link-event.ts'
import { RealClient, register } from '../../server/support/real-client.ts'
import { type Server, startServer } from '../../support/household.ts'

export const PASSWORD = 'correct horse battery staple'

/**
 * A heap with room for what the server keeps and not for much else, so that its memory tells what it keeps: with the
 * room that Node takes on a large machine, 50 or 80 MB of garbage lay about, from one run to the next.
 */
const SMALL_HEAP = { NODE_OPTIONS: '--max-old-space-size=64' }

/** What the kernel charges by, on every Linux that Node runs on. */
const TICK_MS = 10

export interface Consumption {
  readonly residentKib: number
  readonly cpuMs: number
}

export function heard<K extends ServerMessage['kind']>(kind: K) {
  return (event: ServerLinkEvent): Extract<ServerMessage, { kind: K }> | undefined =>
    event.kind === 'message' && event.message.kind === kind
      ? (event.message as Extract<ServerMessage, { kind: K }>)
      : undefined
}

export class Siege {
  readonly server: Server
  /** The server's TCP port, and its UDP port. */
  readonly tcp: { readonly host: string; readonly port: number }
  readonly udp: Endpoint
  readonly alice: RealClient
  readonly bob: RealClient
  readonly bobsNumber: AccountNumber
  readonly #directory: string

  private constructor(
    server: Server,
    parts: { alice: RealClient; bob: RealClient; bobsNumber: number; udp: Endpoint },
    directory: string,
  ) {
    this.server = server
    this.tcp = addressOf(server.link)
    this.udp = parts.udp
    this.alice = parts.alice
    this.bob = parts.bob
    this.bobsNumber = parts.bobsNumber
    this.#directory = directory
  }

  /** A server with Alice and Bob logged in, who are buddies. */
  static async begin(): Promise<Siege> {
    const directory = await mkdtemp(join(tmpdir(), 'holler-siege-'))
    const server = await startServer({ dataDir: directory, env: SMALL_HEAP })
    for (const name of ['alice', 'bob']) await register(server.link, name, PASSWORD)
    const alice = new RealClient(server.link, 'alice', PASSWORD)
    const bob = new RealClient(server.link, 'bob', PASSWORD)
    const { stun } = await alice.next('welcome', welcomed)
    const { number: bobsNumber } = await bob.next('welcome', welcomed)
    alice.request({ kind: 'buddy-request', to: 'bob', note: '' })
    const { buddy } = await bob.next('request', heard('buddy-changed'))
    bob.request({ kind: 'buddy-accept', number: buddy.number })
    await alice.next('acceptance', (event) =>
      heard('buddy-changed')(event)?.buddy.state === 'accepted' ? true : undefined,
    )
    const [udp] = stun
    assert.ok(udp !== undefined)
    return new Siege(server, { alice, bob, bobsNumber, udp }, directory)
  }

  get pid(): number {
    const { pid } = this.server.program
    assert.ok(pid !== undefined)
    return pid
  }

  /** Alice's message reaches Bob, in the sessions that they have had from the beginning. */
  async stillServes(): Promise<void> {
    const messageId = randomBytes(16)
    this.alice.request({ kind: 'send', to: this.bobsNumber, messageId, body: randomBytes(40) })
    const { seq } = await this.bob.next('the message', (event) => {
      const delivered = heard('deliver')(event)
      return delivered && messageId.equals(delivered.messageId) ? delivered : undefined
    })
    this.bob.acknowledge([seq])
    for (const person of [this.alice, this.bob]) {
      const ended = person.events.filter(({ kind }) => kind === 'offline' || kind === 'refused')
      assert.deepEqual(ended, [], 'a session of somebody else ended')
    }
    assert.equal(this.server.program.hasExited, false)
  }

  /** What the server has and has used so far. */
  async consumption(): Promise<Consumption> {
    const status = await readFile(`/proc/${this.pid}/status`, 'utf8')
    const stat = await readFile(`/proc/${this.pid}/stat`, 'utf8')
    // proc(5): fields 14 and 15, counted from behind the command, which may hold blanks.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const ticks = Number(fields[11]) + Number(fields[12])
    return {
      residentKib: Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]),
      cpuMs: ticks * TICK_MS,
    }
  }

  /** A TLS connection to the session's port, for whatever a stranger wants to say. */
  connect(): TLSSocket {
    const socket = connect({
      ...this.tcp,
      rejectUnauthorized: false,
      ALPNProtocols: [SESSION_ALPN],
    })
    socket.on('error', () => undefined) // to be hung up on is what many come for
    return socket
  }

  async end(): Promise<void> {
    this.alice.stop()
    this.bob.stop()
    await this.server.program.stop()
    await rm(this.#directory, { recursive: true, force: true })
  }
}

export function welcomed(event: ServerLinkEvent): SessionStart | undefined {
  return event.kind === 'online' ? event.welcome : undefined
}

function addressOf(link: string): { readonly host: string; readonly port: number } {
  const read = parseServerLink(link)
  assert.ok(read.ok)
  return { host: read.value.host, port: read.value.port }
}
