import assert from 'node:assert/strict'
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { Capture } from '../../scripts/lab/capture.ts'
import { connect, type Namespace, Namespaces } from '../../scripts/lab/namespaces.ts'
import { own } from '../../scripts/lab/router/owned-processes.ts'
import { channelOf, encodeRelayFrame } from '../../src/protocol/relay/frames.ts'
import { TICKET_BYTES } from '../../src/protocol/relay/ticket.ts'
import { type Server, startServer } from '../support/household.ts'
import { stopAllPrograms } from '../support/programs.ts'
import { Waiters } from '../support/waiters.ts'
import { SeededRandom } from '../sim/seeded-random.ts'

const SERVER = '203.0.113.10'
const VICTIM = '203.0.113.77'
const ATTACKER = '198.51.100.7'
/** Of another network: who is not to suffer for the attacker's. */
const NEIGHBOUR = '192.0.2.7'

const DATAGRAMS = 2_000

/** `docs/operations.md`: handshakes of one /24 at once. */
const MOST_HANDSHAKES_OF_A_NETWORK = 32
const HALF_OPEN = 400

const PATIENCE_MS = 30_000

/** RFC 8656 and RFC 3489: what a TURN server, or an old STUN server, would take for an address to send to. */
const ADDRESS_ATTRIBUTES = [
  0x0002, // RESPONSE-ADDRESS
  0x0012, // XOR-PEER-ADDRESS
  0x0016, // XOR-RELAYED-ADDRESS
  0x0020, // XOR-MAPPED-ADDRESS
  0x0001, // MAPPED-ADDRESS
  0x8023, // ALTERNATE-SERVER
  0x802b, // RESPONSE-ORIGIN
]

/** Binding, and all of TURN's: Allocate, Refresh, Send, CreatePermission, ChannelBind. */
const STUN_TYPES = [0x0001, 0x0003, 0x0004, 0x0016, 0x0008, 0x0009]

/** Addresses of the victim, of the server itself, and of places inside it, in every attribute of every request. */
const NAMED = [VICTIM, SERVER, '127.0.0.1', '0.0.0.0', '10.0.0.1', '224.0.0.1', '255.255.255.255']

interface Told {
  readonly kind: string
  readonly standing?: number
  readonly opened?: number
  readonly receivedBytes?: number
}

/** Somebody on the internet who means ill. */
class Hostile {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>
  readonly #exited: Promise<void>
  readonly #waiters = new Waiters()
  #last: Told = { kind: 'nothing' }

  constructor(namespace: Namespace, args: readonly string[]) {
    const program = fileURLToPath(new URL('../../scripts/lab/hostile.mjs', import.meta.url))
    const [command = '', ...prefix] = namespace.prefix
    this.#child = spawn(command, [...prefix, process.execPath, program, ...args], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    this.#exited = own(this.#child)
    createInterface({ input: this.#child.stdout }).on('line', (line) => {
      this.#last = JSON.parse(line) as Told
      this.#waiters.notify()
    })
  }

  say(line: string): void {
    this.#child.stdin.write(`${line}\n`)
  }

  async tells(isIt: (told: Told) => boolean): Promise<Told> {
    return await this.#waiters.until(
      () => (isIt(this.#last) ? this.#last : undefined),
      PATIENCE_MS,
      () => `Told last: ${JSON.stringify(this.#last)}`,
    )
  }

  async stop(): Promise<void> {
    this.#child.stdin.end()
    await this.#exited
  }
}

function addressValue(address: string, isXored: boolean): Buffer {
  const bytes = address.split('.').map(Number)
  const cookie = [0x21, 0x12, 0xa4, 0x42]
  const written = isXored ? bytes.map((byte, index) => byte ^ (cookie[index] ?? 0)) : bytes
  const port = isXored ? 9 ^ 0x2112 : 9
  return Buffer.from([0, 1, port >> 8, port & 255, ...written])
}

function stunNaming(address: string, type: number, attribute: number): Buffer {
  const value = addressValue(address, attribute >= 0x0012 && attribute <= 0x0020)
  const padding = Buffer.from([0x00, 0x26, 0, 40, ...randomBytes(40)]) // long enough to be answered in full
  const change = Buffer.from([0x00, 0x03, 0, 4, 0, 0, 0, 6])
  const attributes = [Buffer.from([attribute >> 8, attribute & 255, 0, 8]), value, padding, change]
  const body = Buffer.concat(attributes)
  const header = Buffer.from([type >> 8, type & 255, 0, body.length, 0x21, 0x12, 0xa4, 0x42])
  return Buffer.concat([header, randomBytes(12), body])
}

/** Everything that might make somebody send to an address: words of other protocols, and of ours with it inside. */
function* temptations(random: SeededRandom): Generator<Buffer> {
  const named = NAMED.flatMap((address) =>
    STUN_TYPES.flatMap((type) => ADDRESS_ATTRIBUTES.map((name) => stunNaming(address, type, name))),
  )
  yield* named
  const victim = Buffer.concat(Array.from({ length: 60 }, () => addressValue(VICTIM, false)))
  for (let count = named.length; count < DATAGRAMS; count++) {
    const channel = channelOf(random.bytes(8))
    const ticket = victim.subarray(0, TICKET_BYTES)
    const frames = [
      encodeRelayFrame({ kind: 'data', channel, payload: victim }),
      encodeRelayFrame({ kind: 'ping', channel, nonce: victim.subarray(0, 8) }),
      encodeRelayFrame({
        kind: 'bind',
        nonce: random.bytes(8),
        cookie: random.bytes(16),
        ticket,
        signature: random.bytes(64),
      }),
      Buffer.concat([Buffer.from([0x40, 0x00]), victim.subarray(0, 200)]), // TURN's ChannelData
    ]
    yield Buffer.from(frames[count % frames.length] ?? victim)
  }
}

describe('strangers on the internet', () => {
  let namespaces: Namespaces
  let directory: string
  let world: Namespace
  let host: Namespace
  let server: Server

  before(async () => {
    namespaces = new Namespaces()
    directory = await mkdtemp(join(tmpdir(), 'hlab-'))
    host = await namespaces.add('server')
    world = await namespaces.add('world')
    await connect(
      { namespace: host, name: 'eth0', addresses: [`${SERVER}/24`] },
      {
        namespace: world,
        name: 'eth0',
        addresses: [`${VICTIM}/24`, `${ATTACKER}/32`, `${NEIGHBOUR}/32`],
      },
    )
    await host.route('default', VICTIM)
    server = await startServer({
      dataDir: join(directory, 'server'),
      listen: `${SERVER}:7443`,
      udp: `${SERVER}:3478`,
      prefix: host.prefix,
    })
  })

  after(async () => {
    await stopAllPrograms()
    await namespaces.close()
    await rm(directory, { recursive: true, force: true })
  })

  it(`make STUN and relay send to nobody else, whatever address ${DATAGRAMS} datagrams name`, async () => {
    const toOthers = await Capture.start(
      host,
      'any',
      `udp and not dst host ${ATTACKER} and not src host ${ATTACKER}`,
    )
    const toAttacker = await Capture.start(host, 'eth0', `udp and dst host ${ATTACKER}`)
    const attacker = new Hostile(world, ['datagrams', ATTACKER, `${SERVER}:3478`])
    await attacker.tells(({ kind }) => kind === 'ready')

    let sentBytes = 0
    for (const datagram of temptations(new SeededRandom(1))) {
      sentBytes += datagram.length
      attacker.say(datagram.toString('hex'))
    }
    await attacker.tells(({ kind }) => kind === 'sent')
    // What is asked last is answered last: then the server has seen it all.
    attacker.say(Buffer.from('000100002112a442000102030405060708090a0b', 'hex').toString('hex'))
    const { receivedBytes = 0 } = await attacker.tells(
      ({ kind, receivedBytes: bytes = 0 }) => kind === 'sent' && bytes > 0,
    )
    await attacker.stop()
    const others = await toOthers.stop()
    const answers = await toAttacker.stop()

    assert.deepEqual(others, [])
    assert.ok(answers.length > 0, 'the same eyes saw no answer to the attacker either')
    assert.ok(receivedBytes <= sentBytes, `${receivedBytes} bytes for ${sentBytes}`)
  })

  it(`hold no more than ${MOST_HANDSHAKES_OF_A_NETWORK} half-open connections of one network`, async () => {
    const attacker = new Hostile(world, [
      'half-open',
      ATTACKER,
      `${SERVER}:7443`,
      String(HALF_OPEN),
    ])
    const told = await attacker.tells(
      ({ opened = 0, standing = HALF_OPEN }) =>
        opened === HALF_OPEN && standing <= MOST_HANDSHAKES_OF_A_NETWORK,
    )
    assert.equal(told.standing, MOST_HANDSHAKES_OF_A_NETWORK)

    // Those of another network keep every place that they have.
    const neighbour = new Hostile(world, ['half-open', NEIGHBOUR, `${SERVER}:7443`, '20'])
    const { standing } = await neighbour.tells(({ opened = 0 }) => opened === 20)
    assert.equal(standing, 20)
    assert.equal(server.program.hasExited, false)
    await Promise.all([attacker.stop(), neighbour.stop()])
  })
})
