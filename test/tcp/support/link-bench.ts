import assert from 'node:assert/strict'
import { after, type Instant, instant } from '../../../src/core/instant.ts'
import type { LinkMachine, SecureChannel } from '../../../src/core/machine.ts'
import { sessionResumedProof } from '../../../src/crypto/device-statement.ts'
import { identityFromSeed } from '../../../src/crypto/identity.ts'
import { DEFAULT_HASHING } from '../../../src/crypto/password-hashing.ts'
import { makeVerifier, ScramServer } from '../../../src/crypto/scram.ts'
import { decodeClientMessage } from '../../../src/protocol/server/decode.ts'
import { encodeServerMessage } from '../../../src/protocol/server/encode.ts'
import type {
  ClientMessage,
  PasswordHashing,
  Resumed,
  ServerMessage,
  SessionStart,
  Welcome,
} from '../../../src/protocol/server/messages.ts'
import { encodeFrame, FrameDecoder, MAX_FRAME_BYTES } from '../../../src/tcp/frame.ts'

export const exporter = new Uint8Array(32).fill(0x5a)
export const salt = new Uint8Array(16).fill(7)
export const saltedPassword = new Uint8Array(32).fill(9)
export const secret = { salt, hashing: DEFAULT_HASHING, saltedPassword }
export const deviceIdentity = identityFromSeed(new Uint8Array(32).fill(1))
export const deviceKeys = {
  identity: deviceIdentity.publicKey,
  static: new Uint8Array(32).fill(2),
  staticSignature: new Uint8Array(64).fill(3),
}

const channel: SecureChannel = {
  exporter,
  local: { family: 4, address: '192.0.2.1', port: 50_000 },
  remote: { family: 4, address: '192.0.2.2', port: 7443 },
  isResumed: false,
}

/** Drives a link machine: collects what it wants and says, and lets time pass from deadline to deadline. */
export class LinkBench<Event extends { readonly kind: string }> {
  readonly machine: LinkMachine<Event>
  now: Instant = instant(1000)
  readonly events: Event[] = []
  /** What the machine did to its connection and said over it, in order. */
  readonly outputs: (ClientMessage | 'connect' | 'disconnect')[] = []
  #frames = new FrameDecoder(MAX_FRAME_BYTES)

  constructor(machine: LinkMachine<Event>) {
    this.machine = machine
  }

  /** Gives a command at the present moment, then drains. */
  do<R>(command: (now: Instant) => R): R {
    const result = command(this.now)
    this.#drain()
    return result
  }

  connected(): void {
    this.#frames = new FrameDecoder(MAX_FRAME_BYTES)
    this.do((now) => this.machine.handleConnected(now, channel))
  }

  disconnected(why = 'connection reset'): void {
    this.do((now) => this.machine.handleDisconnected(now, why))
  }

  say(...messages: readonly ServerMessage[]): void {
    this.sayBytes(Buffer.concat(messages.map((each) => encodeFrame(encodeServerMessage(each)))))
  }

  sayDocument(xml: string): void {
    this.sayBytes(encodeFrame(Buffer.from(xml)))
  }

  sayBytes(bytes: Uint8Array): void {
    this.do((now) => this.machine.handleBytes(now, bytes))
  }

  /** Lets time pass, stopping at every deadline on the way. */
  pass(ms: number): void {
    const end = after(this.now, ms)
    for (let steps = 0; steps < 10_000; steps++) {
      const deadline = this.machine.pollTimeout()
      if (deadline === undefined || deadline > end) {
        this.now = end
        return
      }
      this.now = instant(Math.max(this.now, deadline))
      this.do((now) => this.machine.handleTimeout(now))
    }
    assert.fail('the machine never rests')
  }

  takeEvents(): readonly Event[] {
    return this.events.splice(0)
  }

  takeOutputs(): readonly (ClientMessage | 'connect' | 'disconnect')[] {
    return this.outputs.splice(0)
  }

  /** The one event that there is now. */
  takeEvent(): Event {
    const [event, ...others] = this.takeEvents()
    assert.ok(event !== undefined && others.length === 0, JSON.stringify([event, ...others]))
    return event
  }

  /** The latest thing said of this kind. */
  said<K extends ClientMessage['kind']>(kind: K): Extract<ClientMessage, { kind: K }> {
    const message = this.outputs.findLast((each) => typeof each === 'object' && each.kind === kind)
    assert.ok(message !== undefined, `no ${kind} was said`)
    return message as Extract<ClientMessage, { kind: K }>
  }

  #drain(): void {
    for (let output = this.machine.pollOutput(); output; output = this.machine.pollOutput()) {
      if (output.kind === 'bytes') this.#hear(output.bytes)
      else this.outputs.push(output.kind)
    }
    for (let event = this.machine.pollEvent(); event; event = this.machine.pollEvent()) {
      this.events.push(event)
    }
  }

  #hear(bytes: Uint8Array): void {
    const frames = this.#frames.push(bytes)
    assert.ok(frames.ok)
    for (const frame of frames.value) {
      const message = decodeClientMessage(frame)
      assert.ok(message.ok, message.ok ? '' : message.why)
      this.outputs.push(structuredClone(message.value))
    }
  }
}

/** The server's half of one login, on real SCRAM. */
export class ScriptedLogin {
  readonly #server: ScramServer

  constructor(clientFirst: string, hashing: PasswordHashing = DEFAULT_HASHING, ofSalt = salt) {
    this.#server = new ScramServer({
      clientFirst,
      verifier: makeVerifier(saltedPassword, ofSalt, hashing),
      serverNonce: '3rfcNHYJY1ZVvWVs7j0Zq9xQ',
      exporter,
    })
  }

  get challenge(): ServerMessage {
    return { kind: 'challenge', scram: this.#server.serverFirst }
  }

  /** What a server answers to the response. */
  outcome(clientFinal: string, heartbeatMs = 30_000): ServerMessage {
    const verified = this.#server.verifyClientFinal(clientFinal)
    if (!verified.ok) return { kind: 'error', code: 'auth-failed', text: 'Not you' }
    return welcome(verified.value.serverFinal, heartbeatMs)
  }
}

export function welcome(scram: string, heartbeatMs = 30_000): Welcome {
  return { ...start(heartbeatMs), kind: 'welcome', scram }
}

function start(heartbeatMs: number): SessionStart {
  return {
    number: 10001,
    handle: 'alice',
    timeMs: 1_795_000_000_000,
    heartbeatMs,
    stun: [],
    seenFrom: channel.local,
  }
}

export const pass = { ticket: new Uint8Array(65).fill(4), key: new Uint8Array(32).fill(5) }
export const nextPass = { ticket: new Uint8Array(65).fill(6), key: new Uint8Array(32).fill(7) }

/** What a server says that takes a session back which began with `given`. */
export function resumed(given = pass, key = given.key): Resumed {
  return {
    ...start(30_000),
    kind: 'resumed',
    proof: sessionResumedProof(key, exporter),
    pass: nextPass,
  }
}
