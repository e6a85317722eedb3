import assert from 'node:assert/strict'
import { ScramClient } from '../../../src/crypto/scram.ts'
import {
  sessionResumedProof,
  sessionResumeStatement,
} from '../../../src/crypto/device-statement.ts'
import { decodeServerMessage } from '../../../src/protocol/server/decode.ts'
import { encodeClientMessage } from '../../../src/protocol/server/encode.ts'
import type {
  ClientMessage,
  Hello,
  PresenceEntry,
  RequestId,
  ResumePass,
  RosterVersion,
  ServerError,
  ServerMessage,
  Welcome,
} from '../../../src/protocol/server/messages.ts'
import { encodeFrame, FrameDecoder, MAX_FRAME_BYTES } from '../../../src/tcp/frame.ts'
import { presenceDigest } from '../../../src/tcp/presence-digest.ts'
import type { ManualTime } from './manual-time.ts'
import type { ClientEnd, MemoryStream } from './memory-stream.ts'
import { saltedPassword, type TestDevice, testDevice } from './test-device.ts'

type Kind = ServerMessage['kind']
type Of<K extends Kind> = Extract<ServerMessage, { kind: K }>
type Request = Extract<ClientMessage, { id: RequestId }>
type WithoutId<M> = M extends unknown ? Omit<M, 'id'> : never

export interface LoginWith {
  readonly user: string
  readonly password?: string
  readonly device?: TestDevice
  readonly client?: string
  /** What differs from an honest hello. */
  readonly hello?: Partial<Hello>
  readonly deviceSignature?: Uint8Array
  /** The version of the buddy list that it has. */
  readonly roster?: RosterVersion
}

export interface ResumeWith {
  readonly device: TestDevice
  readonly pass: ResumePass
  /** What it has been told of its buddies. */
  readonly presence?: readonly PresenceEntry[]
  readonly roster?: RosterVersion
  /** Of another connection, where the signature was made for that. */
  readonly exporter?: Uint8Array
}

/** A client that says what it is told to, right or wrong, and keeps everything that it hears. */
export class TestClient {
  readonly end: ClientEnd
  readonly heard: ServerMessage[] = []
  readonly frames: Uint8Array[] = []
  readonly #time: ManualTime
  readonly #exporter: Uint8Array
  readonly #decoder = new FrameDecoder(MAX_FRAME_BYTES)
  #lastId = 0
  #logins = 0

  constructor(stream: MemoryStream, time: ManualTime) {
    this.end = stream.client
    this.#time = time
    this.#exporter = stream.channel.exporter
    this.end.onBytes = (bytes) => this.#receive(bytes)
  }

  get isClosed(): boolean {
    return this.end.isClosed
  }

  /** Says something and waits until the server has dealt with it. */
  async say(message: ClientMessage): Promise<void> {
    this.end.send(encodeFrame(encodeClientMessage(message)))
    await this.#time.pass(0)
  }

  async sayBytes(bytes: Uint8Array): Promise<void> {
    this.end.send(bytes)
    await this.#time.pass(0)
  }

  async sayXml(xml: string): Promise<void> {
    await this.sayBytes(encodeFrame(Buffer.from(xml)))
  }

  /** Asks and returns the answer: `ok` or `error`. */
  async ask(request: WithoutId<Request>): Promise<Of<'ok'> | ServerError> {
    this.#lastId += 1
    const id = this.#lastId
    await this.say({ ...request, id })
    const answer = this.heard.find(
      (message) => (message.kind === 'ok' || message.kind === 'error') && message.id === id,
    )
    assert.ok(answer !== undefined, `no answer to ${request.kind}`)
    return answer as Of<'ok'> | ServerError
  }

  /** Asks what must not be refused. */
  async askOk(request: WithoutId<Request>): Promise<void> {
    const answer = await this.ask(request)
    assert.equal(answer.kind, 'ok', answer.kind === 'error' ? `${answer.code}: ${answer.text}` : '')
  }

  /** Says hello, and waits for the challenge or a refusal. */
  async hello(user: string, device: TestDevice, hello: Partial<Hello> = {}): Promise<ScramClient> {
    this.#logins += 1
    const nonce = `nonce-of-test-login-${this.#logins}`
    const scram = new ScramClient({ user, exporter: this.#exporter, nonce })
    await this.say({
      kind: 'hello',
      version: 1,
      client: 'test/1',
      scram: scram.clientFirst,
      device: device.keys,
      ...hello,
    })
    await this.#time.pass(5)
    return scram
  }

  /** Goes through a whole login, or as far as the server lets it. */
  async login(how: LoginWith): Promise<ServerMessage | undefined> {
    const device = how.device ?? testDevice(how.user)
    const scram = await this.hello(how.user, device, {
      client: how.client ?? 'test/1',
      ...how.hello,
    })
    const challenge = this.heard.at(-1)
    if (challenge?.kind !== 'challenge') return challenge
    assert.ok(scram.readServerFirst(challenge.scram).ok)
    const clientFinal = scram.clientFinal(saltedPassword(how.password ?? `password of ${how.user}`))
    await this.say({
      kind: 'response',
      scram: clientFinal,
      deviceSignature: how.deviceSignature ?? device.signLogin(this.#exporter),
      ...(how.roster === undefined ? {} : { roster: how.roster }),
    })
    const welcome = this.find('welcome')
    if (welcome !== undefined) assert.ok(scram.verifyServerFinal(welcome.scram))
    return welcome ?? this.heard.at(-1)
  }

  /** Tries to go on with an earlier session; returns what the server says to it. */
  async resume(how: ResumeWith): Promise<ServerMessage | undefined> {
    const { device, pass, presence = [], roster } = how
    const exporter = how.exporter ?? this.#exporter
    const statement = sessionResumeStatement(exporter, pass.ticket)
    await this.say({
      kind: 'resume',
      version: 1,
      client: 'test/1',
      ticket: pass.ticket,
      deviceSignature: device.identity.sign(statement),
      presence: presenceDigest(presence),
      ...(roster === undefined ? {} : { roster }),
    })
    const resumed = this.find('resumed')
    if (resumed !== undefined) {
      assert.deepEqual(resumed.proof, Buffer.from(sessionResumedProof(pass.key, this.#exporter)))
    }
    return resumed ?? this.heard.at(-1)
  }

  find<K extends Kind>(kind: K): Of<K> | undefined {
    return this.all(kind)[0]
  }

  all<K extends Kind>(kind: K): Of<K>[] {
    return this.heard.filter((message): message is Of<K> => message.kind === kind)
  }

  last<K extends Kind>(kind: K): Of<K> {
    const found = this.all(kind).at(-1)
    assert.ok(found !== undefined, `no ${kind} was heard`)
    return found
  }

  get welcome(): Welcome {
    return this.last('welcome')
  }

  /** From here on only what is heard anew. */
  forget(): void {
    this.heard.length = 0
    this.frames.length = 0
  }

  #receive(bytes: Uint8Array): void {
    const frames = this.#decoder.push(bytes)
    assert.ok(frames.ok)
    for (const frame of frames.value) {
      const message = decodeServerMessage(frame)
      assert.ok(message.ok, message.ok ? '' : message.why)
      this.frames.push(Uint8Array.from(frame))
      this.heard.push(message.value)
    }
  }
}
