/**
 * Makes an account, or gives one a new password: one connection, one question, one answer. It has no session and comes back for nothing; who
 * wants the account logs in with `ServerLink` afterwards.
 */
import { after, type Instant } from '../core/instant.ts'
import type { LinkMachine, LinkOutput } from '../core/machine.ts'
import { OutboundQueue } from '../core/outbound-queue.ts'
import { decodeServerMessage } from '../protocol/server/decode.ts'
import { encodeClientMessage } from '../protocol/server/encode.ts'
import type {
  AccountNumber,
  Register,
  ReplacePassword,
  ServerErrorCode,
} from '../protocol/server/messages.ts'
import { encodeFrame, FrameDecoder, MAX_FRAME_BEFORE_LOGIN_BYTES } from './frame.ts'

/** To make an account, or to set a new password for one that is there. */
export type RegistrationOptions = Register | ReplacePassword

/** Exactly one of these ends a registration. */
export type RegistrationEvent =
  | { readonly kind: 'registered'; readonly number: AccountNumber; readonly handle: string }
  | { readonly kind: 'refused'; readonly code: ServerErrorCode; readonly text: string }
  /** The server could not be reached, or did not answer in its protocol or in time. */
  | { readonly kind: 'failed'; readonly why: string }

type RegistrationState =
  | { readonly kind: 'idle' }
  | { readonly kind: 'connecting'; readonly giveUpAt: Instant }
  | { readonly kind: 'asked'; readonly frames: FrameDecoder; readonly giveUpAt: Instant }
  | { readonly kind: 'ended' }

/** Whoever makes the connection should know sooner that it cannot be made. */
const CONNECT_MS = 30_000

/** The server gives who has not logged in 10 s too. */
const ANSWER_MS = 10_000

export class Registration implements LinkMachine<RegistrationEvent> {
  readonly #question: Uint8Array
  readonly #outputs = new OutboundQueue<LinkOutput>()
  readonly #events = new OutboundQueue<RegistrationEvent>()
  #state: RegistrationState = { kind: 'idle' }

  /** @throws {HollerError} INVALID_PARAMS for a handle, invite or code that could not be sent. */
  constructor(options: RegistrationOptions) {
    this.#question = encodeFrame(encodeClientMessage(options))
  }

  start(now: Instant): void {
    if (this.#state.kind !== 'idle') return
    this.#state = { kind: 'connecting', giveUpAt: after(now, CONNECT_MS) }
    this.#outputs.push({ kind: 'connect' })
  }

  handleConnected(now: Instant): void {
    if (this.#state.kind !== 'connecting') return
    const frames = new FrameDecoder(MAX_FRAME_BEFORE_LOGIN_BYTES)
    this.#state = { kind: 'asked', frames, giveUpAt: after(now, ANSWER_MS) }
    this.#outputs.push({ kind: 'bytes', bytes: this.#question })
  }

  handleBytes(_now: Instant, bytes: Uint8Array): void {
    if (this.#state.kind !== 'asked') return
    const frames = this.#state.frames.push(bytes)
    if (!frames.ok) this.#end({ kind: 'failed', why: frames.why })
    else if (frames.value[0] !== undefined) this.#end(outcomeOf(frames.value[0]))
  }

  handleDisconnected(_now: Instant, why: string): void {
    if (this.#state.kind === 'connecting' || this.#state.kind === 'asked') {
      this.#end({ kind: 'failed', why })
    }
  }

  handleTimeout(now: Instant): void {
    const giveUpAt = this.pollTimeout()
    if (giveUpAt === undefined || giveUpAt > now) return
    this.#end({ kind: 'failed', why: 'The server did not answer in time' })
  }

  pollOutput(): LinkOutput | undefined {
    return this.#outputs.shift()
  }

  pollEvent(): RegistrationEvent | undefined {
    return this.#events.shift()
  }

  pollTimeout(): Instant | undefined {
    return 'giveUpAt' in this.#state ? this.#state.giveUpAt : undefined
  }

  #end(event: RegistrationEvent): void {
    this.#outputs.push({ kind: 'disconnect' })
    this.#state = { kind: 'ended' }
    this.#events.push(event)
  }
}

function outcomeOf(frame: Uint8Array): RegistrationEvent {
  const message = decodeServerMessage(frame)
  if (!message.ok) return { kind: 'failed', why: message.why }
  switch (message.value.kind) {
    case 'registered':
      return { kind: 'registered', number: message.value.number, handle: message.value.handle }
    case 'error':
      return { kind: 'refused', code: message.value.code, text: message.value.text }
    case 'goodbye':
      return { kind: 'failed', why: `The server ended the session: ${message.value.reason}` }
    case 'challenge':
    case 'welcome':
    case 'resumed':
    case 'roster':
    case 'buddy-changed':
    case 'buddy-removed':
    case 'presence':
    case 'introduced':
    case 'deliver':
    case 'accepted':
    case 'keys':
    case 'keys-left':
    case 'logged-keys':
    case 'found':
    case 'online':
    case 'located':
    case 'profile':
    case 'ping':
    case 'pong':
    case 'ok':
      return { kind: 'failed', why: `The server said ${message.value.kind} instead` }
  }
}
