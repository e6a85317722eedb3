/** holler-server of dist/, and a client that says what a daemon says without a daemon's work. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { utf8 } from '../../../src/core/bytes.ts'
import { sha256 } from '../../../src/crypto/hash.ts'
import { DEFAULT_HASHING } from '../../../src/crypto/password-hashing.ts'
import { makeVerifier } from '../../../src/crypto/scram.ts'
import type { SecureStream } from '../../../src/io/byte-stream.ts'
import { openLevelStore } from '../../../src/io/level-store.ts'
import { systemRandom } from '../../../src/io/random.ts'
import { connectTls } from '../../../src/io/tls.ts'
import { decodeServerMessage } from '../../../src/protocol/server/decode.ts'
import { encodeClientMessage } from '../../../src/protocol/server/encode.ts'
import { parseServerLink, SESSION_ALPN } from '../../../src/protocol/server/link.ts'
import type {
  Challenge,
  ClientMessage,
  Resumed,
  ResumePass,
  Welcome,
} from '../../../src/protocol/server/messages.ts'
import { openServerStore } from '../../../src/server/store/kv-server-store.ts'
import type { Account } from '../../../src/server/store/server-store.ts'
import { encodeFrame, FrameDecoder, MAX_FRAME_BYTES } from '../../../src/tcp/frame.ts'
import { Login } from '../../../src/tcp/login.ts'
import { testDevice } from '../../../test/server/support/test-device.ts'
import {
  BUDDIES,
  type ChatClient,
  type ChatServer,
  type Heard,
  nodeFlags,
  pinned,
} from './chat-server.ts'
import { type PresenceMessage, Told } from './told.ts'
import { inParallel } from './usage.ts'

/** Stands in for argon2id's output: that work is the client's, and is not what is measured. */
export const SALTED_PASSWORD = sha256(utf8('the password of everybody'))
const SALT = sha256(utf8('the salt of everybody')).subarray(0, 16)

/** Numbers are given from here on. */
export const FIRST_NUMBER = 10_001

export function handleOf(user: number): Account['handle'] {
  return `user-${user}` as Account['handle']
}

/** What 100 bytes of text weigh when sealed are the daemon's business: these are 100 bytes as they travel. */
const BODY = Buffer.alloc(100, 7)

const CONNECT_MS = 30_000

/** Writes accounts, each with the buddies of the ring, as registrations and requests would have. */
async function seedAccounts(directory: string, users: number): Promise<void> {
  const store = await openServerStore(await openLevelStore(join(directory, 'store')))
  const verifier = makeVerifier(SALTED_PASSWORD, SALT, DEFAULT_HASHING)
  const accounts: Account[] = []
  for (let user = 0; user < users; user++) {
    const handle = handleOf(user)
    const account = await store.createAccount({ handle, verifier, createdAtMs: Date.now() })
    if (account?.number !== FIRST_NUMBER + user) throw new Error(`Account ${user} is another`)
    accounts.push(account)
  }
  await inParallel(users * (BUDDIES / 2), 256, async (index) => {
    const one = accounts[index % users]
    const other = accounts[((index % users) + Math.floor(index / users) + 1) % users]
    if (one !== undefined && other !== undefined) {
      await store.changeRelation(one, other, () => ({ relation: 'accepted' }))
    }
  })
  await store.close()
}

export class HollerServer implements ChatServer {
  readonly name = 'holler'
  readonly version = 'holler-server of this tree'
  readonly login = 'SCRAM-SHA-256-PLUS and device signature'
  /** `holler://…` of the last start. */
  link = ''
  readonly #memories = new Map<number, Memory>() // one for each user
  #directory: string | undefined
  #child: ChildProcess | undefined

  async start(users: number): Promise<void> {
    this.#directory = await mkdtemp(join(tmpdir(), 'holler-bench-server-'))
    await seedAccounts(this.#directory, users)
    await this.startAgain('127.0.0.1:0')
  }

  /** On what is there already. */
  async startAgain(listen: string): Promise<void> {
    const main = fileURLToPath(new URL('../../../dist/server/main.js', import.meta.url))
    const [command, ...args] = pinned([
      ...[process.execPath, ...nodeFlags(), main, '--data', this.#directory ?? ''],
      ...['--listen', listen, '--udp', '127.0.0.1:0', '--log-level', 'error'],
    ])
    this.#child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    const { stdout } = this.#child
    if (stdout === null) throw new Error('No output of holler-server')
    const [line] = (await once(createInterface({ input: stdout }), 'line')) as [string]
    this.link = line
  }

  get pid(): number {
    return this.#child?.pid ?? 0
  }

  async logIn(user: number, heard: Heard): Promise<ChatClient> {
    const memory: Memory = { told: new Told() }
    this.#memories.set(user, memory)
    return await this.#connect(user, heard, memory)
  }

  async resume(user: number, heard: Heard): Promise<ChatClient> {
    const memory = this.#memories.get(user)
    if (memory?.pass === undefined) throw new Error(`User ${user} has no ticket`)
    return await this.#connect(user, heard, memory)
  }

  async #connect(user: number, heard: Heard, memory: Memory): Promise<ChatClient> {
    const { host, port, pin } = this.#address()
    const stream = await connectTls({
      ...{ host, port, alpn: SESSION_ALPN, timeoutMs: CONNECT_MS },
      ...(pin === undefined ? {} : { pin }),
    })
    const client = new HollerClient({ user, stream, heard, memory })
    await client.logIn()
    return client
  }

  #address(): { host: string; port: number; pin?: Uint8Array } {
    const read = parseServerLink(this.link)
    if (!read.ok) throw new Error(read.why)
    return read.value
  }

  async kill(signal: NodeJS.Signals): Promise<void> {
    if (this.#child?.exitCode !== null) return
    const ended = once(this.#child, 'exit')
    this.#child.kill(signal)
    await ended
  }

  async stop(): Promise<void> {
    await this.kill('SIGTERM')
    if (this.#directory !== undefined) await rm(this.#directory, { recursive: true })
  }
}

/** What a daemon keeps from one session to the next. */
interface Memory {
  pass?: ResumePass
  readonly told: Told
}

interface HollerClientOptions {
  readonly user: number
  readonly stream: SecureStream
  readonly heard: Heard
  readonly memory: Memory
}

/** After the login it reads as little of what comes as it can: the load must not cost more than the server. */
class HollerClient implements ChatClient {
  readonly #stream: SecureStream
  readonly #heard: Heard
  readonly #memory: Memory
  readonly #frames = new FrameDecoder(MAX_FRAME_BYTES)
  readonly #login: Login
  #isResumed = false
  #lastId = 0
  #onArrived: () => void = () => undefined
  #onFailed: (error: Error) => void = () => undefined
  readonly #arrived = new Promise<void>((resolve, reject) => {
    this.#onArrived = resolve
    this.#onFailed = reject
  })

  constructor({ user, stream, heard, memory }: HollerClientOptions) {
    const handle = handleOf(user)
    const { identity, keys } = testDevice(handle)
    this.#stream = stream
    this.#heard = heard
    this.#memory = memory
    this.#login = new Login(
      {
        ...{ user: handle, deviceIdentity: identity, deviceKeys: keys },
        ...{ client: 'bench/1', random: systemRandom },
      },
      stream.channel.exporter,
      {
        ...memory.told.known,
        ...(memory.pass === undefined ? {} : { pass: memory.pass }),
      },
    )
    stream.onClose((why) => this.#onFailed(new Error(`The session ended: ${why}`)))
    stream.onBytes((bytes) => this.#receive(bytes))
  }

  async logIn(): Promise<void> {
    this.#say(this.#login.opening)
    await this.#arrived
  }

  message(to: number): void {
    this.#lastId += 1
    const messageId = systemRandom.bytes(16)
    this.#say({ kind: 'send', id: this.#lastId, to: FIRST_NUMBER + to, messageId, body: BODY })
  }

  setAway(isAway: boolean): void {
    this.#lastId += 1
    this.#say({
      kind: 'set-presence',
      id: this.#lastId,
      state: isAway ? 'away' : 'online',
      text: '',
    })
  }

  close(): void {
    this.#stream.destroy()
  }

  #say(message: ClientMessage): void {
    this.#stream.write(encodeFrame(encodeClientMessage(message)))
  }

  #receive(bytes: Uint8Array): void {
    const frames = this.#frames.push(bytes)
    if (!frames.ok) throw new Error(frames.why)
    const seqs: string[] = []
    for (const frame of frames.value) {
      const text = Buffer.from(frame.buffer, frame.byteOffset, frame.length).toString('latin1')
      if (text.startsWith('<deliver ')) {
        this.#heard.messages += 1
        seqs.push(/seq="(\d+)"/.exec(text)?.[1] ?? '')
      } else if (text.startsWith('<accepted ')) this.#heard.accepted += 1
      else this.#handle(frame)
    }
    // As a daemon does: it is on the disk, the server may forget it.
    if (seqs.length > 0) this.#say({ kind: 'ack', seqs: seqs.map(Number) })
  }

  #handle(frame: Uint8Array): void {
    const message = decodeServerMessage(frame)
    if (!message.ok) throw new Error(message.why)
    const { value } = message
    switch (value.kind) {
      case 'challenge':
      case 'welcome':
      case 'resumed':
        this.#handleLogin(value)
        return
      case 'roster':
      case 'buddy-changed':
      case 'buddy-removed':
        this.#memory.told.rosterIs(value.version)
        return
      case 'presence':
        this.#hearPresence(value)
        return
      case 'keys-left': // the last that is told to who arrives
        this.#onArrived()
        return
      case 'ping':
        this.#say({ kind: 'pong', id: value.id, timeMs: Date.now() })
        return
      case 'error':
        this.#onFailed(new Error(`${value.code}: ${value.text}`))
        return
      case 'goodbye':
        this.#onFailed(new Error(value.reason))
        return
      case 'deliver':
      case 'accepted':
      case 'ok':
      case 'pong':
      case 'registered':
      case 'introduced':
      case 'keys':
      case 'found':
      case 'online':
      case 'located':
      case 'profile':
      case 'logged-keys':
        return
    }
  }

  #handleLogin(message: Challenge | Welcome | Resumed): void {
    const step = this.#login.handle(message)
    if (step.kind === 'salting-told') {
      const { salt, hashing } = step
      const response = this.#login.respond({ salt, hashing, saltedPassword: SALTED_PASSWORD })
      if (response !== undefined) this.#say(response)
    } else if (step.kind === 'welcomed') {
      if (step.welcome.pass !== undefined) this.#memory.pass = step.welcome.pass
      this.#isResumed = step.welcome.kind === 'resumed'
    } else this.#onFailed(new Error(`The login came to ${step.kind}`))
  }

  #hearPresence(message: PresenceMessage): void {
    const { isSnapshot, entries } = message
    if (isSnapshot && this.#isResumed) this.#onFailed(new Error('Presence was told anew'))
    if (!isSnapshot) this.#heard.presences += entries.length
    this.#memory.told.hear(message)
  }
}
