/** Somebody who says what no daemon would: bytes of their own choice, before the login or inside their own session. */
import assert from 'node:assert/strict'
import { DEFAULT_HASHING } from '../../../src/crypto/password-hashing.ts'
import { saltedPassword } from '../../../src/crypto/password.ts'
import type { SecureStream } from '../../../src/io/byte-stream.ts'
import { systemRandom } from '../../../src/io/random.ts'
import { decodeServerMessage } from '../../../src/protocol/server/decode.ts'
import { encodeClientMessage } from '../../../src/protocol/server/encode.ts'
import type { ClientMessage, ServerMessage } from '../../../src/protocol/server/messages.ts'
import { encodeFrame, FrameDecoder, MAX_FRAME_BYTES } from '../../../src/tcp/frame.ts'
import { Login, type SaltedSecret, type Salting } from '../../../src/tcp/login.ts'
import { connectTo } from '../../server/support/real-client.ts'
import { type TestDevice, testDevice } from '../../server/support/test-device.ts'
import { Waiters } from '../../support/waiters.ts'

const STEP_MS = 20_000

/** The last hash of each password, for argon2id is meant to be slow. */
const hashed = new Map<string, SaltedSecret>() // ≤ the accounts of one test run

export interface Credentials {
  readonly user: string
  readonly password: string
  readonly device?: TestDevice
}

export interface Guess {
  readonly last: ServerMessage
  readonly challengeMs: number
  readonly verdictMs: number
}

export class Intruder {
  readonly stream: SecureStream
  readonly heard: ServerMessage[] = []
  /** What was heard, as it came. */
  readonly frames: Uint8Array[] = []
  readonly #decoder = new FrameDecoder(MAX_FRAME_BYTES)
  readonly #waiters = new Waiters()
  #isClosed = false

  private constructor(stream: SecureStream) {
    this.stream = stream
    stream.onClose(() => {
      this.#isClosed = true
      this.#waiters.notify()
    })
    stream.onBytes((bytes) => this.#receive(bytes))
  }

  /** Connects, and says nothing yet. */
  static async connect(link: string): Promise<Intruder> {
    return new Intruder(await connectTo(link))
  }

  static async logIn(link: string, credentials: Credentials): Promise<Intruder> {
    const intruder = await Intruder.connect(link)
    const last = await intruder.logIn(credentials)
    assert.equal(last.kind, 'welcome', JSON.stringify(last))
    return intruder
  }

  /** Goes through a login; what the server said last. */
  async logIn({ user, password, device = testDevice(user) }: Credentials): Promise<ServerMessage> {
    const { last } = await this.#logIn(user, device, (salting) => secretFor(password, salting))
    return last
  }

  /** Tries a password that is wrong, without the time that hashing it would take; when the server said what. */
  async guess(user: string, device: TestDevice): Promise<Guess> {
    const startedAt = performance.now()
    let challengedAt = startedAt
    const { last } = await this.#logIn(user, device, (salting) => {
      challengedAt = performance.now()
      return Promise.resolve({ ...salting, saltedPassword: systemRandom.bytes(32) })
    })
    const challengeMs = challengedAt - startedAt
    return { last, challengeMs, verdictMs: performance.now() - challengedAt }
  }

  /** Tries to replace a password by a code that nobody was given; how long the server took to refuse it. */
  async guessCode(
    user: string,
  ): Promise<{ readonly last: ServerMessage; readonly refusalMs: number }> {
    const [salt, storedKey, serverKey] = [16, 32, 32].map((length) => systemRandom.bytes(length))
    assert.ok(salt !== undefined && storedKey !== undefined && serverKey !== undefined)
    const verifier = { salt, hashing: DEFAULT_HASHING, storedKey, serverKey }
    const startedAt = performance.now()
    this.say({ kind: 'replace-password', user, code: 'GUESS', verifier })
    const last = await this.next(({ kind }) => kind === 'registered' || kind === 'error')
    return { last, refusalMs: performance.now() - startedAt }
  }

  async #logIn(
    user: string,
    device: TestDevice,
    secretOf: (salting: Salting) => Promise<SaltedSecret>,
  ): Promise<{ readonly last: ServerMessage }> {
    const login = new Login(
      {
        user,
        deviceIdentity: device.identity,
        deviceKeys: device.keys,
        client: 'test/1',
        random: systemRandom,
      },
      this.stream.channel.exporter,
    )
    this.say(login.hello)
    const challenge = await this.next(({ kind }) => kind === 'challenge' || kind === 'error')
    const step = login.handle(challenge)
    if (step.kind !== 'salting-told') return { last: challenge }
    const response = login.respond(await secretOf({ salt: step.salt, hashing: step.hashing }))
    assert.ok(response !== undefined)
    this.say(response)
    return { last: await this.next(({ kind }) => kind === 'welcome' || kind === 'error') }
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  say(message: ClientMessage): void {
    this.stream.write(encodeFrame(encodeClientMessage(message)))
  }

  sayDocument(bytes: Uint8Array): void {
    this.stream.write(encodeFrame(bytes))
  }

  /** The first message, past or to come, that is the one; each is found once. */
  async next(
    isWanted: (message: ServerMessage) => boolean,
    withinMs = STEP_MS,
  ): Promise<ServerMessage> {
    const found = (): ServerMessage | undefined => {
      const index = this.heard.findIndex(isWanted)
      return index < 0 ? undefined : this.heard.splice(index, 1)[0]
    }
    return await this.#waiters.until(found, withinMs, () => 'The server did not say it')
  }

  /** Waits until the server has hung up. */
  async hungUpOn(what: string): Promise<void> {
    const look = (): true | undefined => (this.#isClosed ? true : undefined)
    await this.#waiters.until(look, STEP_MS, () => `The server listens on after ${what}`)
  }

  leave(): void {
    this.stream.destroy()
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
    this.#waiters.notify()
  }
}

async function secretFor(password: string, { salt, hashing }: Salting): Promise<SaltedSecret> {
  const key = `${password} ${Buffer.from(salt).toString('hex')}`
  const known = hashed.get(key)
  if (known !== undefined) return known
  const secret = { salt, hashing, saltedPassword: await saltedPassword(password, salt, hashing) }
  hashed.set(key, secret)
  return secret
}
