import assert from 'node:assert/strict'
import { utf8 } from '../../src/core/bytes.ts'
import type { Endpoint } from '../../src/core/endpoint.ts'
import { after, type Instant } from '../../src/core/instant.ts'
import { sha256 } from '../../src/crypto/hash.ts'
import { identityFromSeed } from '../../src/crypto/identity.ts'
import { RelayTickets } from '../../src/server/relay-tickets.ts'
import { Relay } from '../../src/server/relay.ts'
import { ServerTime } from '../../src/server/server-time.ts'
import { RelayClient } from '../../src/traversal/relay-client.ts'
import { ManualTime } from './support/manual-time.ts'
import { testDevice } from './support/test-device.ts'
import { at, countingRandom, RELAY_ID, UDP_ADDRESS } from './support/test-server.ts'

interface Daemon {
  address: Endpoint
  readonly client: RelayClient
  readonly heard: string[]
}

/** The server's relay and the daemons' client of it, on a network that loses nothing. */
class Network {
  readonly #time = new ManualTime()
  readonly #relay: Relay
  readonly #tickets: RelayTickets
  readonly #daemons: Daemon[] = []
  now: Instant = this.#time.now()

  constructor() {
    const signer = identityFromSeed(sha256(utf8('ticket key')))
    const time = new ServerTime(this.#time)
    this.#tickets = new RelayTickets({ signer, relayId: RELAY_ID, time })
    this.#relay = new Relay({
      relayId: RELAY_ID,
      ticketKeys: [signer.publicKey],
      cookieSecret: new Uint8Array(32),
      random: countingRandom('relay'),
      time,
    })
  }

  ticket(): Uint8Array {
    const [alice, bob] = [testDevice('alice'), testDevice('bob')]
    const session = new Uint8Array(16).fill(4)
    return this.#tickets.issue(this.now, session, alice.keys.identity, bob.keys.identity)
  }

  daemon(name: string, address: string, ticket: Uint8Array): Daemon {
    const client = new RelayClient({
      relay: UDP_ADDRESS,
      ticket,
      identity: testDevice(name).identity,
      random: countingRandom(name),
    })
    const daemon = { address: at(address), client, heard: [] }
    this.#daemons.push(daemon)
    client.start(this.now)
    this.settle()
    return daemon
  }

  /** Carries datagrams until nobody says anything more. */
  settle(): void {
    for (let isBusy = true; isBusy;) {
      isBusy = false
      for (const { client, address } of this.#daemons) {
        for (let sent = client.pollTransmit(); sent !== undefined; sent = client.pollTransmit()) {
          isBusy = true
          this.#relay.handleDatagram(this.now, address, sent.bytes)
        }
      }
      for (let sent = this.#relay.pollTransmit(); sent; sent = this.#relay.pollTransmit()) {
        isBusy = true
        const { to, bytes } = sent
        const receiver = this.#daemons.find(({ address }) => address.port === to.port)
        receiver?.client.handleDatagram(this.now, UDP_ADDRESS, bytes)
      }
    }
    for (const { client, heard } of this.#daemons) {
      for (let event = client.pollEvent(); event !== undefined; event = client.pollEvent()) {
        heard.push(event.kind === 'datagram' ? Buffer.from(event.bytes).toString() : event.kind)
      }
    }
  }

  pass(ms: number): void {
    const end = after(this.now, ms)
    while (this.now < end) {
      this.now = after(this.now, 100)
      for (const { client } of this.#daemons) client.handleTimeout(this.now)
      this.#relay.handleTimeout(this.now)
      this.settle()
    }
  }
}

describe('Relay with RelayClient', () => {
  it('brings two daemons together by one ticket, and keeps them together by pings', () => {
    const network = new Network()
    const ticket = network.ticket()
    const alice = network.daemon('alice', '192.0.2.1:1111', ticket)
    const bob = network.daemon('bob', '192.0.2.2:2222', ticket)

    alice.client.send(utf8('hello'))
    network.pass(300_000)
    bob.client.send(utf8('hello after five minutes'))
    network.settle()

    assert.deepEqual(bob.heard, ['bound', 'hello'])
    assert.deepEqual(alice.heard, ['bound', 'hello after five minutes'])
  })

  it('follows a daemon whose address changes', () => {
    const network = new Network()
    const ticket = network.ticket()
    const alice = network.daemon('alice', '192.0.2.1:1111', ticket)
    const bob = network.daemon('bob', '192.0.2.2:2222', ticket)

    network.pass(1_000)
    alice.address = at('198.51.100.9:9999')
    alice.client.send(utf8('lost'))
    network.settle()
    bob.client.send(utf8('found you'))
    network.settle()

    assert.deepEqual(alice.heard, ['bound', 'unbound', 'bound', 'found you'])
    assert.deepEqual(bob.heard, ['bound'])
  })

  it('is left for good by who has no valid ticket', () => {
    const network = new Network()
    const alice = network.daemon('alice', '192.0.2.1:1111', network.ticket().fill(7, 105))

    network.pass(60_000)

    assert.deepEqual(alice.heard, ['refused'])
  })
})
