import assert from 'node:assert/strict'
import { type Endpoint, parseEndpoint } from '../../../src/core/endpoint.ts'
import { utf8 } from '../../../src/core/bytes.ts'
import { type Logger, silentLogger } from '../../../src/core/logger.ts'
import type { Random } from '../../../src/core/random.ts'
import type { Store } from '../../../src/core/store.ts'
import { sha256 } from '../../../src/crypto/hash.ts'
import { type Identity, identityFromSeed } from '../../../src/crypto/identity.ts'
import { Accounts } from '../../../src/server/accounts.ts'
import { LoginThrottle } from '../../../src/server/login-throttle.ts'
import type { Outside } from '../../../src/server/outside.ts'
import { RelayTickets } from '../../../src/server/relay-tickets.ts'
import { ResumeTickets } from '../../../src/server/resume-tickets.ts'
import { ServerTime } from '../../../src/server/server-time.ts'
import { openServerStore } from '../../../src/server/store/kv-server-store.ts'
import type { ServerStore } from '../../../src/server/store/server-store.ts'
import { StunWitness } from '../../../src/server/stun-witness.ts'
import { Switchboard } from '../../../src/server/switchboard.ts'
import { memoryStore } from '../../support/memory-store.ts'
import { ManualTime } from './manual-time.ts'
import { MemoryStream } from './memory-stream.ts'
import { TestClient } from './test-client.ts'
import { type TestDevice, verifierOf } from './test-device.ts'

export function at(text: string): Endpoint {
  const read = parseEndpoint(text)
  assert.ok(read.ok, text)
  return read.value
}

/** The same bytes in every run. */
export function countingRandom(label = 'random'): Random {
  let count = 0
  return {
    bytes: (length) => {
      const parts: number[] = []
      while (parts.length < length) parts.push(...sha256(utf8(`${label} ${(count += 1)}`)))
      return Uint8Array.from(parts.slice(0, length))
    },
  }
}

export const SERVER_ADDRESS = at('198.51.100.1:7443')
export const UDP_ADDRESS = at('198.51.100.1:3478')
export const RELAY_ID = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)

export interface TestServerOptions {
  readonly isRegistrationOpen?: boolean
  readonly store?: Store
  /** Of a server before this one. */
  readonly time?: ManualTime
  readonly logger?: Logger
}

/** A server without sockets: everything of it but the opening and closing, on a clock turned by hand. */
export class TestServer {
  readonly time: ManualTime
  readonly store: ServerStore
  readonly switchboard: Switchboard
  readonly witness: StunWitness
  readonly signer: Identity
  #connections = 0

  private constructor(parts: {
    time: ManualTime
    store: ServerStore
    switchboard: Switchboard
    witness: StunWitness
    signer: Identity
  }) {
    this.time = parts.time
    this.store = parts.store
    this.switchboard = parts.switchboard
    this.witness = parts.witness
    this.signer = parts.signer
  }

  static async start(options: TestServerOptions = {}): Promise<TestServer> {
    const time = options.time ?? new ManualTime()
    const random = countingRandom()
    const store = await openServerStore(options.store ?? memoryStore())
    const witness = new StunWitness(random.bytes(32))
    const signer = identityFromSeed(sha256(utf8('ticket key')))
    const outside: Outside = {
      clock: time,
      random,
      logger: options.logger ?? silentLogger,
      makeAlarm: (onDue) => time.makeAlarm(onDue),
    }
    const switchboard = new Switchboard({
      store,
      outside,
      accounts: new Accounts({
        store,
        outside,
        throttle: new LoginThrottle(),
        tickets: new ResumeTickets(sha256(utf8('resume tickets'))),
        unknownAccountSecret: sha256(utf8('unknown accounts')),
        isRegistrationOpen: () => options.isRegistrationOpen ?? true,
      }),
      servicesFor: () => [UDP_ADDRESS],
      isWitnessed: (now, endpoint) => witness.has(now, endpoint),
      tickets: new RelayTickets({ signer, relayId: RELAY_ID, time: new ServerTime(time) }),
    })
    await switchboard.open()
    return new TestServer({ time, store, switchboard, witness, signer })
  }

  /** A TLS connection from somewhere, with an exporter of its own. */
  connect(from = '192.0.2.10:50000'): TestClient {
    this.#connections += 1
    const exporter = sha256(utf8(`exporter ${this.#connections}`))
    const stream = new MemoryStream({ exporter, local: SERVER_ADDRESS, remote: at(from) })
    const client = new TestClient(stream, this.time)
    this.switchboard.accept(stream)
    return client
  }

  /** Makes accounts whose password is `password of NAME`. Returns their numbers. */
  async accounts(...names: readonly string[]): Promise<readonly number[]> {
    const numbers: number[] = []
    for (const name of names) {
      const account = await this.store.createAccount({
        handle: name as never,
        verifier: verifierOf(`password of ${name}`),
        createdAtMs: 0,
      })
      assert.ok(account !== undefined)
      numbers.push(account.number)
    }
    return numbers
  }

  async online(
    user: string,
    { from, device }: { readonly from?: string; readonly device?: TestDevice } = {},
  ): Promise<TestClient> {
    const client = this.connect(from)
    const welcome = await client.login({ user, ...(device === undefined ? {} : { device }) })
    assert.equal(welcome?.kind, 'welcome')
    return client
  }

  /** Makes two people buddies who have accounts. */
  async befriend(a: number, b: number): Promise<void> {
    const first = await this.store.account(a)
    const second = await this.store.account(b)
    assert.ok(first !== undefined && second !== undefined)
    await this.store.changeRelation(first, second, () => ({ relation: 'accepted' }))
  }
}
