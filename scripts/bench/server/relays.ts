/** Our relay and coturn, each as a process that forwards datagrams of 1,200 bytes one way, and clients for both. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { relayBindStatement } from '../../../src/crypto/device-statement.ts'
import { identityFromSeed } from '../../../src/crypto/identity.ts'
import { openLevelStore } from '../../../src/io/level-store.ts'
import {
  decodeRelayFrame,
  encodeRelayFrame,
  type RelayFrame,
} from '../../../src/protocol/relay/frames.ts'
import {
  encodeTicket,
  encodeTicketBody,
  ticketSignatureInput,
} from '../../../src/protocol/relay/ticket.ts'
import { openServerStore } from '../../../src/server/store/kv-server-store.ts'
import { type TestDevice, testDevice } from '../../../test/server/support/test-device.ts'
import { nodeFlags, pinned } from './chat-server.ts'
import { until } from './usage.ts'

const PAYLOAD = Buffer.alloc(1_200, 7)
const ANSWER_MS = 10_000
const AGAIN_MS = 500
const START_MS = 20_000

/** MiB: what holler-server lives in, and little more. */
const LEAN_FLAGS = ['--max-old-space-size=48', '--max-semi-space-size=1']

/** Success response of Allocate (RFC 8656 section 17). */
const ALLOCATED = 0x0103

/** One port in some twenty has an allocation at the end of a run: so many in a row have none by chance. */
const MOST_PORTS = 16

/** One way through a relay, from a socket of ours to another one. */
export interface Way {
  /** Sends one datagram of 1,200 bytes of payload. */
  send(): void
  /** How many have come out. */
  readonly arrived: number
  close(): void
}

export interface RelayServer {
  readonly name: string
  readonly version: string
  readonly pid: number
  readonly port: number
  /** Lean, it has no room for garbage, so that its memory tells what it keeps. */
  start(options?: { readonly isLean?: boolean }): Promise<void>
  /** The `index`th of all ways: each is of other devices, or of another allocation. */
  open(index: number): Promise<Way>
  /** What somebody without credentials may ask that is not a bare binding, and will be answered. */
  readonly otherQuestion: Buffer
  stop(): Promise<void>
}

export function bareBinding(): Buffer {
  return stun(0x0001, [])
}

function stun(type: number, attributes: readonly Buffer[]): Buffer {
  const body = Buffer.concat(attributes)
  const header = Buffer.alloc(8)
  header.writeUInt16BE(type, 0)
  header.writeUInt16BE(body.length, 2)
  header.writeUInt32BE(0x2112a442, 4)
  return Buffer.concat([header, randomBytes(12), body])
}

function attribute(type: number, value: Buffer): Buffer {
  const header = Buffer.alloc(4)
  header.writeUInt16BE(type, 0)
  header.writeUInt16BE(value.length, 2)
  return Buffer.concat([header, value, Buffer.alloc(-value.length & 3)])
}

export async function openSocket(): Promise<Socket> {
  const socket = createSocket({ type: 'udp4', recvBufferSize: 4 * 1024 * 1024 })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  return socket
}

async function freeUdpPort(): Promise<number> {
  const socket = await openSocket()
  const { port } = socket.address()
  socket.close()
  await once(socket, 'close')
  return port
}

/** Asks until it is answered as wanted. */
async function ask(
  socket: Socket,
  port: number,
  question: Buffer,
  isAnswer: (bytes: Buffer) => boolean,
): Promise<Buffer> {
  let answer: Buffer | undefined
  const listen = (bytes: Buffer): void => {
    if (isAnswer(bytes)) answer = bytes
  }
  socket.on('message', listen)
  const send = (): void => socket.send(question, port, '127.0.0.1')
  const sending = setInterval(send, AGAIN_MS) // a datagram may be lost
  try {
    send()
    await until('an answer of the relay', () => answer !== undefined, ANSWER_MS)
  } finally {
    clearInterval(sending)
    socket.off('message', listen)
  }
  if (answer === undefined) throw new Error('No answer')
  return answer
}

export class HollerRelay implements RelayServer {
  readonly name = 'holler'
  readonly version = 'holler-server of this tree'
  port = 0
  #directory = ''
  #child: ChildProcess | undefined
  #seed: Uint8Array = new Uint8Array()
  #relayId: Uint8Array = new Uint8Array()

  get pid(): number {
    return this.#child?.pid ?? 0
  }

  get otherQuestion(): Buffer {
    return Buffer.from(
      encodeRelayFrame({
        ...{ kind: 'bind', nonce: randomBytes(8), cookie: new Uint8Array(16) },
        ...{ ticket: randomBytes(169), signature: new Uint8Array(64) },
      }),
    )
  }

  async start({ isLean = false } = {}): Promise<void> {
    this.#directory = await mkdtemp(join(tmpdir(), 'holler-bench-relay-'))
    const store = await openServerStore(await openLevelStore(join(this.#directory, 'store')))
    this.#seed = await store.secret('relay-ticket-key', () => randomBytes(32))
    this.#relayId = await store.secret('relay-id', () => randomBytes(8))
    await store.close()
    this.port = await freeUdpPort()
    const main = fileURLToPath(new URL('../../../dist/server/main.js', import.meta.url))
    const [command, ...args] = pinned([
      ...[process.execPath, ...nodeFlags(), ...(isLean ? LEAN_FLAGS : [])],
      ...[main, '--data', this.#directory, '--log-level', 'error'],
      ...['--listen', '127.0.0.1:0', '--udp', `127.0.0.1:${this.port}`],
    ])
    this.#child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    const { stdout } = this.#child
    if (stdout === null) throw new Error('No output of holler-server')
    await once(createInterface({ input: stdout }), 'line')
  }

  async open(index: number): Promise<Way> {
    const [from, to] = [testDevice(`from ${index}`), testDevice(`to ${index}`)]
    const ticket = this.#ticketFor(from, to)
    const [near, far] = await Promise.all([openSocket(), openSocket()])
    const channel = await this.#bind(near, from, ticket)
    await this.#bind(far, to, ticket)
    const datagram = encodeRelayFrame({ kind: 'data', channel, payload: PAYLOAD })
    return way(near, far, datagram, this.port)
  }

  #ticketFor(from: TestDevice, to: TestDevice): Uint8Array {
    const body = encodeTicketBody({
      ...{ relayId: this.#relayId, session: randomBytes(16) },
      ...{ identityA: from.keys.identity, identityB: to.keys.identity },
      ...{ expiresAtMs: Date.now() + 600_000, quotaBytes: 1024 ** 4 },
    })
    return encodeTicket(body, identityFromSeed(this.#seed).sign(ticketSignatureInput(body)))
  }

  async #bind(socket: Socket, device: TestDevice, ticket: Uint8Array): Promise<BoundChannel> {
    const nonce = randomBytes(8)
    const blank = {
      ...{ nonce, ticket, cookie: new Uint8Array(16), signature: new Uint8Array(64) },
      kind: 'bind' as const,
    }
    const { cookie } = await this.#askFrame(socket, blank, 'cookie')
    const signature = device.identity.sign(relayBindStatement(nonce, cookie, ticket))
    const { channel } = await this.#askFrame(socket, { ...blank, cookie, signature }, 'bound')
    return channel
  }

  async #askFrame<K extends RelayFrame['kind']>(
    socket: Socket,
    question: RelayFrame,
    kind: K,
  ): Promise<Extract<RelayFrame, { kind: K }>> {
    const bytes = await ask(
      socket,
      this.port,
      Buffer.from(encodeRelayFrame(question)),
      (answer) => {
        const frame = decodeRelayFrame(answer)
        return frame.ok && frame.value.kind === kind
      },
    )
    const frame = decodeRelayFrame(bytes)
    if (!frame.ok) throw new Error(frame.why)
    return frame.value as Extract<RelayFrame, { kind: K }>
  }

  async stop(): Promise<void> {
    await ended(this.#child)
    await rm(this.#directory, { recursive: true })
  }
}

type BoundChannel = Extract<RelayFrame, { kind: 'bound' }>['channel']

/** TURN (RFC 8656) without credentials, or with them asked for: the second is what amplifies. */
export class Coturn implements RelayServer {
  readonly name = 'coturn'
  readonly version: string
  port = 0
  #child: ChildProcess | undefined
  readonly #wantsCredentials: boolean

  constructor(wantsCredentials = false) {
    this.#wantsCredentials = wantsCredentials
    const asked = spawnSync('dpkg-query', ['-W', '-f', '${Version}', 'coturn'])
    this.version = `coturn ${asked.stdout.toString()}`
  }

  get pid(): number {
    return this.#child?.pid ?? 0
  }

  get otherQuestion(): Buffer {
    return stun(0x0003, [attribute(0x0019, Buffer.from([17, 0, 0, 0]))]) // Allocate, REQUESTED-TRANSPORT UDP
  }

  async start(): Promise<void> {
    this.port = await freeUdpPort()
    const credentials = this.#wantsCredentials
      ? ['--lt-cred-mech', '--realm', 'bench', '--user', 'a:b']
      : ['--no-auth']
    const [command, ...args] = pinned([
      ...['turnserver', '-n', '--log-file', '/dev/null', '--pidfile', '/dev/null', '--no-cli'],
      ...['--listening-ip', '127.0.0.1', '--relay-ip', '127.0.0.1', '--allow-loopback-peers'],
      ...['--listening-port', String(this.port), '--no-tls', '--no-dtls', '--relay-threads', '1'],
      ...credentials,
    ])
    this.#child = spawn(command, args, { stdio: 'ignore' })
    const socket = await openSocket()
    const answered = once(socket, 'message', { signal: AbortSignal.timeout(START_MS) })
    const asking = setInterval(() => socket.send(bareBinding(), this.port, '127.0.0.1'), 50)
    try {
      await answered
    } finally {
      clearInterval(asking)
      socket.close()
    }
  }

  async open(): Promise<Way> {
    const [near, far] = await Promise.all([this.#allocate(), openSocket()])
    const { port } = far.address()
    const peer = Buffer.from([
      0,
      1,
      (port >> 8) ^ 0x21,
      (port & 255) ^ 0x12,
      0x5e,
      0x12,
      0xa4,
      0x43,
    ])
    const channel = attribute(0x000c, Buffer.from([0x40, 0, 0, 0]))
    const bind = stun(0x0009, [channel, attribute(0x0012, peer)])
    await ask(near, this.port, bind, (answer) => answer.readUInt16BE(0) === 0x0109)
    const header = Buffer.from([0x40, 0, PAYLOAD.length >> 8, PAYLOAD.length & 255])
    return way(near, far, Buffer.concat([header, PAYLOAD]), this.port)
  }

  /** A socket with an allocation of its own, from a port that has had none: of what was closed it is kept for minutes. */
  async #allocate(): Promise<Socket> {
    for (let attempt = 1; attempt <= MOST_PORTS; attempt++) {
      const socket = await openSocket()
      const isOfAllocate = (answer: Buffer): boolean =>
        (answer.readUInt16BE(0) & ~0x0110) === 0x0003
      const answer = await ask(socket, this.port, this.otherQuestion, isOfAllocate)
      if (answer.readUInt16BE(0) === ALLOCATED) return socket
      socket.close() // 437 Allocation Mismatch (RFC 8656 section 7.2): the kernel gave out a port again
    }
    throw new Error(`coturn refuses allocations from ${MOST_PORTS} ports`)
  }

  async stop(): Promise<void> {
    await ended(this.#child)
  }
}

function way(near: Socket, far: Socket, datagram: Uint8Array, port: number): Way {
  let arrived = 0
  far.on('message', ({ length }) => {
    if (length >= PAYLOAD.length) arrived += 1
  })
  return {
    send: () => near.send(datagram, port, '127.0.0.1'),
    get arrived() {
      return arrived
    },
    close: () => {
      near.close()
      far.close()
    },
  }
}

async function ended(child: ChildProcess | undefined): Promise<void> {
  if (child?.exitCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
}
