/**
 * The client's side of one login, over one TLS session:
 *
 *     hello ► ◄ challenge        the password is hashed as the challenge says, unless it was before
 *     response ► ◄ welcome       the response proves password and device, the welcome proves the server
 *
 * Both proofs hold for this TLS session alone (channel binding, RFC 9266): who sits in the middle can use neither.
 */
import { equalBytes, toBase64 } from '../core/bytes.ts'
import type { Random } from '../core/random.ts'
import { deviceLoginStatement } from '../crypto/device-statement.ts'
import type { Identity } from '../crypto/identity.ts'
import { ScramClient } from '../crypto/scram.ts'
import {
  type AccountName,
  type Challenge,
  type DeviceKeys,
  type Hello,
  type PasswordHashing,
  type Response,
  SERVER_PROTOCOL_VERSION,
  type ServerMessage,
  type Welcome,
} from '../protocol/server/messages.ts'
import { endByLoginError, offline, refused, type SessionEnd } from './session-end.ts'

export interface LoginOptions {
  readonly user: AccountName
  readonly deviceIdentity: Identity
  readonly deviceKeys: DeviceKeys
  /** Software and version: `hollerd/0.1.0`. */
  readonly client: string
  readonly random: Random
}

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
  | { readonly kind: 'welcomed'; readonly welcome: Welcome }
  | { readonly kind: 'ended'; readonly end: SessionEnd }

type LoginState =
  | { readonly kind: 'hello-sent' }
  | { readonly kind: 'salting-told'; readonly salting: Salting }
  | { readonly kind: 'response-sent' }

// RFC 5802 §5.1 asks for a nonce; 18 bytes are 24 characters of base64 without padding.
const NONCE_BYTES = 18

export class Login {
  readonly #options: LoginOptions
  readonly #exporter: Uint8Array
  readonly #scram: ScramClient
  #state: LoginState = { kind: 'hello-sent' }

  constructor(options: LoginOptions, exporter: Uint8Array) {
    this.#options = options
    this.#exporter = exporter
    const nonce = toBase64(options.random.bytes(NONCE_BYTES))
    this.#scram = new ScramClient({ user: options.user, exporter, nonce })
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
    }
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
