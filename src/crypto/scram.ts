/**
 * SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677) bound to the TLS channel by `tls-exporter` (RFC 9266), both halves.
 * Pure: nonces are handed in, and slow password hashing is done by the caller (`password.ts`).
 *
 *   client                                                        server
 *     p=tls-exporter,,n=USER,r=CLIENT-NONCE                  ->
 *     <-  r=BOTH-NONCES,s=SALT,i=PASSES,k=argon2id:MEMORY-KIB:LANES
 *     c=BINDING,r=BOTH-NONCES,p=PROOF                        ->
 *     <-  v=SERVER-SIGNATURE
 *
 * Departure from RFC 5802 §3: the salted password is argon2id's output, not PBKDF2's. `i=` counts argon2id's passes,
 * and the extension attribute `k=` names the function with its other parameters. Everything after it is as written there.
 */
import { concatBytes, fromBase64, toBase64, utf8 } from '../core/bytes.ts'
import { type Decoded, decoded, malformed } from '../core/decoded.ts'
import { hmacSha256, sha256, timingSafeEqual } from './hash.ts'
import { DEFAULT_HASHING, isAcceptableHashing, type PasswordHashing } from './password-hashing.ts'

/** What a server keeps of a password (RFC 5802 §3): with it one can check a login, not make one. */
export interface PasswordVerifier {
  readonly salt: Uint8Array // 16 bytes
  readonly hashing: PasswordHashing
  readonly storedKey: Uint8Array // 32 bytes
  readonly serverKey: Uint8Array // 32 bytes
}

export const SALT_BYTES = 16

// RFC 5802 §7's gs2-header: binding by tls-exporter, no other identity to act as.
const GS2_HEADER = 'p=tls-exporter,,'
// Far above our own messages (about 150), far below what costs anything to take apart.
const MAX_MESSAGE_CHARS = 1024
const MAX_USER_CHARS = 255
// RFC 5802 §5.1: printable ASCII but the comma. 16 characters are 96 bits in base64.
const NONCE = /^[\x21-\x2b\x2d-\x7e]{16,128}$/

export interface ScramClientOptions {
  readonly user: string
  /** The TLS exporter of RFC 9266, 32 bytes. */
  readonly exporter: Uint8Array
  /** Fresh for each login: 16 to 128 printable ASCII characters without comma (base64 of 18 random bytes). */
  readonly nonce: string
}

/** The client's half of one login. Steps out of order are bugs and throw. */
export class ScramClient {
  readonly clientFirst: string
  readonly #nonce: string
  readonly #exporter: Uint8Array
  #serverFirst: { readonly text: string; readonly nonce: string } | undefined
  #serverSignature: Uint8Array | undefined

  constructor({ user, exporter, nonce }: ScramClientOptions) {
    if (!NONCE.test(nonce)) throw new TypeError('A SCRAM nonce has 16 to 128 printable characters')
    this.#nonce = nonce
    this.#exporter = exporter
    this.clientFirst = `${GS2_HEADER}n=${escapeName(user)},r=${nonce}`
  }

  /** What the password must be hashed with; refused when it is too weak or too costly. */
  readServerFirst(
    text: string,
  ): Decoded<{ readonly salt: Uint8Array; readonly hashing: PasswordHashing }> {
    const first = decodeServerFirst(text)
    if (!first.ok) return first
    const { nonce, salt, hashing } = first.value
    if (!nonce.startsWith(this.#nonce) || nonce.length < this.#nonce.length + 16) {
      return malformed('the nonce does not go on from ours')
    }
    if (!isAcceptableHashing(hashing)) return malformed('password hashing too weak or too costly')
    this.#serverFirst = { text, nonce }
    return decoded({ salt, hashing })
  }

  clientFinal(saltedPassword: Uint8Array): string {
    if (this.#serverFirst === undefined) throw new Error('The server has not spoken yet')
    const { text, nonce } = this.#serverFirst
    const withoutProof = finalWithoutProof(this.#exporter, nonce)
    const authMessage = joinAuthMessage(bareOf(this.clientFirst), text, withoutProof)
    this.#serverSignature = serverSignature(serverKeyOf(saltedPassword), authMessage)
    return `${withoutProof},p=${toBase64(clientProof(saltedPassword, authMessage))}`
  }

  /** Whether the server proved to know the verifier. `false` for its `e=` too. */
  verifyServerFinal(text: string): boolean {
    if (this.#serverSignature === undefined) throw new Error('The client has not proved itself yet')
    const signature = fromBase64(/^v=([^,]{1,64})(?:,|$)/.exec(text)?.[1] ?? '')
    return signature !== undefined && timingSafeEqual(signature, this.#serverSignature)
  }
}

export interface ScramServerOptions {
  /** One that `readClientFirst` has read. */
  readonly clientFirst: string
  readonly verifier: PasswordVerifier
  /** Fresh for each login, of the same kind as the client's. */
  readonly serverNonce: string
  readonly exporter: Uint8Array
}

/** The server's half of one login. */
export class ScramServer {
  readonly serverFirst: string
  readonly #verifier: PasswordVerifier
  readonly #clientFirstBare: string
  readonly #withoutProof: string

  constructor({ clientFirst, verifier, serverNonce, exporter }: ScramServerOptions) {
    const first = readClientFirst(clientFirst)
    if (!first.ok) throw new TypeError(`Not a client-first-message: ${first.why}`)
    if (!NONCE.test(serverNonce)) {
      throw new TypeError('A SCRAM nonce has 16 to 128 printable characters')
    }
    const nonce = first.value.nonce + serverNonce
    this.#verifier = verifier
    this.#clientFirstBare = bareOf(clientFirst)
    this.#withoutProof = finalWithoutProof(exporter, nonce)
    const { memoryKiB, passes, lanes } = verifier.hashing
    this.serverFirst = `r=${nonce},s=${toBase64(verifier.salt)},i=${passes},k=argon2id:${memoryKiB}:${lanes}`
  }

  /** Fails alike for a wrong password, a wrong channel and a wrong nonce: a caller tells the client nothing more. */
  verifyClientFinal(text: string): Decoded<{ readonly serverFinal: string }> {
    if (text.length > MAX_MESSAGE_CHARS) return malformed('client-final-message too long')
    const prefix = `${this.#withoutProof},p=`
    if (!text.startsWith(prefix)) return malformed('another channel binding or nonce')
    const proof = fromBase64(text.slice(prefix.length))
    if (proof?.length !== 32) return malformed('no proof')
    const { storedKey, serverKey } = this.#verifier
    const authMessage = joinAuthMessage(this.#clientFirstBare, this.serverFirst, this.#withoutProof)
    const clientKey = xor(proof, hmacSha256(storedKey, authMessage))
    if (!timingSafeEqual(sha256(clientKey), storedKey)) return malformed('wrong proof')
    return decoded({ serverFinal: `v=${toBase64(serverSignature(serverKey, authMessage))}` })
  }
}

/** Who wants to log in. Refuses another channel binding than `tls-exporter`, acting as another, and extensions we must know. */
export function readClientFirst(
  text: string,
): Decoded<{ readonly user: string; readonly nonce: string }> {
  if (text.length > MAX_MESSAGE_CHARS) return malformed('client-first-message too long')
  if (!text.startsWith(GS2_HEADER)) return malformed('no channel binding by tls-exporter')
  const [name, nonce] = bareOf(text).split(',')
  if (!name?.startsWith('n=') || !nonce?.startsWith('r=')) return malformed('no name and nonce')
  const user = unescapeName(name.slice(2))
  if (user === undefined) return malformed('malformed name')
  if (!NONCE.test(nonce.slice(2))) return malformed('malformed nonce')
  return decoded({ user, nonce: nonce.slice(2) })
}

/** What a client hands over when it registers or changes its password. */
export function makeVerifier(
  saltedPassword: Uint8Array,
  salt: Uint8Array,
  hashing: PasswordHashing,
): PasswordVerifier {
  return {
    salt,
    hashing,
    storedKey: sha256(clientKeyOf(saltedPassword)),
    serverKey: serverKeyOf(saltedPassword),
  }
}

/**
 * A verifier for an account that does not exist: the same on every try, looking like any other, and no password fits
 * (its stored key is the hash of nothing known). `secret` is the server's own; `user` in one normal form.
 */
export function fakeVerifier(secret: Uint8Array, user: string): PasswordVerifier {
  const derived = (label: string): Uint8Array =>
    hmacSha256(secret, utf8(`holler unknown account ${label}:`), utf8(user))
  return {
    salt: derived('salt').subarray(0, SALT_BYTES),
    hashing: DEFAULT_HASHING,
    storedKey: derived('stored key'),
    serverKey: derived('server key'),
  }
}

/** RFC 5802 §3's ClientProof: ClientKey XOR HMAC(StoredKey, AuthMessage). */
export function clientProof(saltedPassword: Uint8Array, authMessage: Uint8Array): Uint8Array {
  const clientKey = clientKeyOf(saltedPassword)
  return xor(clientKey, hmacSha256(sha256(clientKey), authMessage))
}

/** RFC 5802 §3's ServerSignature. */
export function serverSignature(serverKey: Uint8Array, authMessage: Uint8Array): Uint8Array {
  return hmacSha256(serverKey, authMessage)
}

/** RFC 5802 §3's AuthMessage: everything said before the proof. */
export function joinAuthMessage(
  clientFirstBare: string,
  serverFirst: string,
  clientFinalWithoutProof: string,
): Uint8Array {
  return utf8(`${clientFirstBare},${serverFirst},${clientFinalWithoutProof}`)
}

function clientKeyOf(saltedPassword: Uint8Array): Uint8Array {
  return hmacSha256(saltedPassword, utf8('Client Key'))
}

function serverKeyOf(saltedPassword: Uint8Array): Uint8Array {
  return hmacSha256(saltedPassword, utf8('Server Key'))
}

function bareOf(clientFirst: string): string {
  return clientFirst.slice(GS2_HEADER.length)
}

function finalWithoutProof(exporter: Uint8Array, nonce: string): string {
  return `c=${toBase64(concatBytes(utf8(GS2_HEADER), exporter))},r=${nonce}`
}

interface ServerFirst {
  readonly nonce: string
  readonly salt: Uint8Array
  readonly hashing: PasswordHashing
}

// Nine digits hold 256 MiB in KiB; the limits themselves are isAcceptableHashing's.
const SERVER_FIRST =
  /^r=([^,]{32,256}),s=([^,]{1,128}),i=(\d{1,9}),k=argon2id:(\d{1,9}):(\d{1,9})(?:,|$)/

function decodeServerFirst(text: string): Decoded<ServerFirst> {
  if (text.length > MAX_MESSAGE_CHARS) return malformed('server-first-message too long')
  const match = SERVER_FIRST.exec(text) // RFC 5802 §5.1: a mandatory extension would come first, as `m=`
  if (match === null) return malformed('not a server-first-message')
  const [, nonce = '', salt64 = '', passes, memoryKiB, lanes] = match
  const salt = fromBase64(salt64)
  if (salt === undefined || salt.length < SALT_BYTES) return malformed('malformed salt')
  const hashing = {
    memoryKiB: Number(memoryKiB),
    passes: Number(passes),
    lanes: Number(lanes),
  }
  return decoded({ nonce, salt, hashing })
}

function escapeName(user: string): string {
  return user.replaceAll('=', '=3D').replaceAll(',', '=2C')
}

function unescapeName(escaped: string): string | undefined {
  if (escaped.length === 0 || /=(?!2C|3D)/.test(escaped)) return undefined
  const user = escaped.replaceAll('=2C', ',').replaceAll('=3D', '=')
  return user.length > MAX_USER_CHARS ? undefined : user
}

function xor(a: Uint8Array, b: Uint8Array): Uint8Array {
  return a.map((byte, index) => byte ^ (b[index] ?? 0))
}
