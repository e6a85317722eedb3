/**
 * The client's side of one login, over one TLS session:
 *
 *     resume ► ◄ resumed         where there is a pass from the session before; refused, it goes on with `hello`
 *     hello ► ◄ challenge        the password is hashed as the challenge says, unless it was before
 *     response ► ◄ welcome       the response proves password and device, the welcome proves the server
 *
 * All proofs hold for this TLS session alone (channel binding, RFC 9266): who sits in the middle can use none.
 */
import { equalBytes, toBase64 } from '../core/bytes.ts'
import type { Random } from '../core/random.ts'
import {
  deviceLoginStatement,
  sessionResumedProof,
  sessionResumeStatement,
} from '../crypto/device-statement.ts'
import type { Identity } from '../crypto/identity.ts'
import { ScramClient } from '../crypto/scram.ts'
import {
  type AccountName,
  type Challenge,
  type DeviceKeys,
  type Hello,
  type PasswordHashing,
  type Response,
  type Resume,
  type Resumed,
  type ResumePass,
  type RosterVersion,
  SERVER_PROTOCOL_VERSION,
  type ServerError,
  type ServerMessage,
  type Welcome,
} from '../protocol/server/messages.ts'
import { presenceDigest } from './presence-digest.ts'
import { endByLoginError, offline, refused, type SessionEnd } from './session-end.ts'

export interface LoginOptions {
  readonly user: AccountName
  readonly deviceIdentity: Identity
  readonly deviceKeys: DeviceKeys
  /** Software and version: `hollerd/0.1.0`. */
  readonly client: string
  readonly random: Random
}

/** What this daemon has from its sessions before. */
export interface Known {
  readonly pass?: ResumePass
  readonly roster?: RosterVersion
  /** `presence-digest.ts` of what it has been told. */
  readonly presence: Uint8Array
}

/** Of somebody who has been told nothing. */
export const NOTHING_KNOWN: Known = { presence: presenceDigest([]) }

/** How a password must be hashed. */
export interface Salting {
  readonly salt: Uint8Array
  readonly hashing: PasswordHashing
}

/** A password that has been hashed; of use as long as the server asks for the same salt and parameters. */
export interface SaltedSecret extends Salting {
  readonly saltedPassword: Uint8Array // 32 bytes
}

/** What a message from the server means for the login. */
export type LoginStep =
  | ({ readonly kind: 'salting-told' } & Salting)
  | { readonly kind: 'welcomed'; readonly welcome: Welcome | Resumed }
  /** It has to be done in full: this is to be said. */
  | { readonly kind: 'begin-anew'; readonly hello: Hello }
  | { readonly kind: 'ended'; readonly end: SessionEnd }

type LoginState =
  | { readonly kind: 'resume-sent'; readonly pass: ResumePass }
  | { readonly kind: 'hello-sent' }
  | { readonly kind: 'salting-told'; readonly salting: Salting }
  | { readonly kind: 'response-sent' }

// RFC 5802 §5.1 asks for a nonce; 18 bytes are 24 characters of base64 without padding.
const NONCE_BYTES = 18

export class Login {
  readonly #options: LoginOptions
  readonly #exporter: Uint8Array
  readonly #scram: ScramClient
  readonly #known: Known
  #state: LoginState

  constructor(options: LoginOptions, exporter: Uint8Array, known = NOTHING_KNOWN) {
    const { pass } = known
    this.#options = options
    this.#exporter = exporter
    this.#known = known
    this.#state = pass === undefined ? { kind: 'hello-sent' } : { kind: 'resume-sent', pass }
    const nonce = toBase64(options.random.bytes(NONCE_BYTES))
    this.#scram = new ScramClient({ user: options.user, exporter, nonce })
  }

  /** What is said first. */
  get opening(): Resume | Hello {
    return this.#state.kind === 'resume-sent' ? this.#resume(this.#state.pass) : this.hello
  }

  get hello(): Hello {
    return {
      kind: 'hello',
      version: SERVER_PROTOCOL_VERSION,
      client: this.#options.client,
      scram: this.#scram.clientFirst,
      device: this.#options.deviceKeys,
    }
  }

  handle(message: ServerMessage): LoginStep {
    if (this.#state.kind === 'resume-sent') {
      if (message.kind === 'resumed') return this.#handleResumed(message, this.#state.pass)
      if (message.kind === 'error' && isNoResume(message)) {
        this.#state = { kind: 'hello-sent' }
        return { kind: 'begin-anew', hello: this.hello }
      }
    }
    if (message.kind === 'error') return { kind: 'ended', end: endByLoginError(message) }
    if (message.kind === 'challenge' && this.#state.kind === 'hello-sent') {
      return this.#handleChallenge(message)
    }
    if (message.kind === 'welcome' && this.#state.kind === 'response-sent') {
      return this.#handleWelcome(message)
    }
    const text = `The server said ${message.kind} during the login`
    return { kind: 'ended', end: offline('violation', text) }
  }

  /** The answer to the challenge; `undefined` while this is not the secret that the challenge asks for. */
  respond(secret: SaltedSecret): Response | undefined {
    if (this.#state.kind !== 'salting-told') return undefined
    if (!isSaltedAs(secret, this.#state.salting)) return undefined
    this.#state = { kind: 'response-sent' }
    return {
      kind: 'response',
      scram: this.#scram.clientFinal(secret.saltedPassword),
      deviceSignature: this.#options.deviceIdentity.sign(deviceLoginStatement(this.#exporter)),
      ...this.#roster,
    }
  }

  get #roster(): { readonly roster?: RosterVersion } {
    const { roster } = this.#known
    return roster === undefined ? {} : { roster }
  }

  #resume({ ticket }: ResumePass): Resume {
    const { deviceIdentity, client } = this.#options
    return {
      kind: 'resume',
      version: SERVER_PROTOCOL_VERSION,
      client,
      ticket,
      deviceSignature: deviceIdentity.sign(sessionResumeStatement(this.#exporter, ticket)),
      presence: this.#known.presence,
      ...this.#roster,
    }
  }

  #handleResumed(resumed: Resumed, { key }: ResumePass): LoginStep {
    if (equalBytes(resumed.proof, sessionResumedProof(key, this.#exporter))) {
      return { kind: 'welcomed', welcome: resumed }
    }
    return unproven('The server did not prove that it knows the session')
  }

  #handleChallenge({ scram }: Challenge): LoginStep {
    const salting = this.#scram.readServerFirst(scram)
    // Weak parameters would have us help guess our own password: nothing more is said to such a server.
    if (!salting.ok) return unproven(`The server's challenge is not acceptable: ${salting.why}`)
    this.#state = { kind: 'salting-told', salting: salting.value }
    return { kind: 'salting-told', ...salting.value }
  }

  #handleWelcome(welcome: Welcome): LoginStep {
    if (this.#scram.verifyServerFinal(welcome.scram)) return { kind: 'welcomed', welcome }
    return unproven('The server did not prove that it knows the account')
  }
}

/** An older server does not know what was asked. */
function isNoResume({ code }: ServerError): boolean {
  return code === 'resume-refused' || code === 'unsupported'
}

function unproven(text: string): LoginStep {
  return { kind: 'ended', end: refused('server-unproven', text) }
}

function isSaltedAs(secret: SaltedSecret, { salt, hashing }: Salting): boolean {
  return (
    equalBytes(secret.salt, salt) &&
    secret.hashing.memoryKiB === hashing.memoryKiB &&
    secret.hashing.passes === hashing.passes &&
    secret.hashing.lanes === hashing.lanes
  )
}
