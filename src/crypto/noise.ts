/**
 * The Noise handshakes `IK` and `XX` (Noise Protocol Framework, revision 34) with X25519, ChaCha20-Poly1305 and SHA-256.
 *
 *   IK: <- s                             XX: -> e
 *       ...                                  <- e, ee, s, es
 *       -> e, es, s, ss                      -> s, se
 *       <- e, ee, se
 *
 * Two or three messages, each with a payload, then `split()` gives one key for each direction. What is sealed with
 * those keys is not this file's business.
 *
 * Every step works on an unchangeable state and only a whole successful step replaces it: a forged or damaged
 * message changes nothing, and the true one is still understood afterwards.
 */
import { asBuffer, concatBytes, copyOf, utf8 } from '../core/bytes.ts'
import { type Decoded, decoded, malformed } from '../core/decoded.ts'
import { NONCE_BYTES, openAead, sealAead, TAG_BYTES } from './aead.ts'
import { hkdfSha256, sha256 } from './hash.ts'
import { KEY_BYTES } from './raw-key.ts'
import { type StaticKey, staticKeyFromSeed } from './static-key.ts'

export type NoisePattern = 'IK' | 'XX'
export type NoiseRole = 'initiator' | 'responder'

/** Noise §3: no message is longer, so that a length always fits 16 bits. */
export const MAX_NOISE_MESSAGE_BYTES = 65_535

export interface NoiseOptions {
  readonly pattern: NoisePattern
  readonly role: NoiseRole
  /** What both sides must agree on beyond the keys; a difference makes the handshake fail. */
  readonly prologue: Uint8Array
  readonly staticKey: StaticKey
  /** The responder's static key: wanted by IK's initiator, refused elsewhere. */
  readonly remoteStatic?: Uint8Array
  /** 32 fresh random bytes, never used for another handshake. */
  readonly ephemeralSeed: Uint8Array
}

/** The keys of a finished handshake, 32 bytes each: what one side sends with, the other receives with. */
export interface NoiseKeys {
  readonly send: Uint8Array
  readonly receive: Uint8Array
}

type Token = 'e' | 's' | 'ee' | 'es' | 'se' | 'ss'

const MESSAGES: Readonly<Record<NoisePattern, readonly (readonly Token[])[]>> = {
  IK: [
    ['e', 'es', 's', 'ss'],
    ['e', 'ee', 'se'],
  ],
  XX: [['e'], ['e', 'ee', 's', 'es'], ['s', 'se']],
}

/** SymmetricState and CipherState of Noise §5 in one, with the remote keys seen so far. Never changed, only replaced. */
interface State {
  readonly chainingKey: Uint8Array
  readonly hash: Uint8Array
  readonly cipherKey: Uint8Array | undefined
  readonly nonce: number
  readonly remoteEphemeral: Uint8Array | undefined
  readonly remoteStatic: Uint8Array | undefined
}

/** One side of one handshake. */
export class NoiseHandshake {
  readonly #messages: readonly (readonly Token[])[]
  readonly #role: NoiseRole
  readonly #static: StaticKey
  readonly #ephemeral: StaticKey
  #state: State
  #step = 0

  /** @throws TypeError when `remoteStatic` is missing for IK's initiator, given to another, or no usable key. */
  constructor(options: NoiseOptions) {
    this.#messages = MESSAGES[options.pattern]
    this.#role = options.role
    this.#static = options.staticKey
    this.#ephemeral = staticKeyFromSeed(options.ephemeralSeed)
    this.#state = initialState(options)
    const remote = this.#state.remoteStatic
    if (remote !== undefined && this.#ephemeral.agree(remote) === undefined) {
      throw new TypeError('The remote static key is malformed or of low order')
    }
  }

  get isComplete(): boolean {
    return this.#step === this.#messages.length
  }

  /** Whether the next message is ours to write. */
  get isMyTurn(): boolean {
    return !this.isComplete && (this.#step % 2 === 0) === (this.#role === 'initiator')
  }

  /** The peer's static key: proven only when the handshake is complete. */
  get remoteStatic(): Uint8Array | undefined {
    return this.#state.remoteStatic
  }

  /** Names this very session once the handshake is complete (Noise §11.2). */
  get handshakeHash(): Uint8Array {
    return this.#state.hash
  }

  /** @throws Error when it is not our turn, or the message would be longer than Noise allows. */
  writeMessage(payload: Uint8Array): Uint8Array {
    if (!this.isMyTurn) throw new Error('It is not our turn to write a handshake message')
    let state = this.#state
    const parts: Uint8Array[] = []
    for (const token of this.#tokens) {
      if (token === 'e') {
        parts.push(this.#ephemeral.publicKey)
        state = mixHash(state, this.#ephemeral.publicKey)
      } else if (token === 's') {
        const [next, sealed] = sealAndHash(state, this.#static.publicKey)
        parts.push(sealed)
        state = next
      } else {
        const mixed = this.#mixAgreement(state, token)
        if (mixed === undefined)
          throw new Error('A key of low order was not refused when it was read')
        state = mixed
      }
    }
    const [next, sealed] = sealAndHash(state, payload)
    const message = concatBytes(...parts, sealed)
    if (message.length > MAX_NOISE_MESSAGE_BYTES)
      throw new Error('The handshake payload is too long')
    this.#advance(next)
    return message
  }

  /** The payload. After a failure everything is as it was before: the true message may still come. */
  readMessage(message: Uint8Array): Decoded<Uint8Array> {
    if (this.isComplete || this.isMyTurn) return malformed('a handshake message out of turn')
    if (message.length > MAX_NOISE_MESSAGE_BYTES) return malformed('handshake message too long')
    let state = this.#state
    let rest = message
    for (const token of this.#tokens) {
      const length = tokenBytes(token, state)
      if (rest.length < length) return malformed('handshake message too short')
      const next = this.#readToken(state, token, rest.subarray(0, length))
      if (!next.ok) return next
      state = next.value
      rest = rest.subarray(length)
    }
    const opened = openAndHash(state, rest)
    if (opened === undefined) return malformed('handshake payload not authentic')
    this.#advance(opened[0])
    return decoded(opened[1])
  }

  /** @throws Error before the handshake is complete. */
  split(): NoiseKeys {
    if (!this.isComplete) throw new Error('The handshake is not complete')
    const [first, second] = expand(this.#state.chainingKey, new Uint8Array(0))
    return this.#role === 'initiator'
      ? { send: first, receive: second }
      : { send: second, receive: first }
  }

  get #tokens(): readonly Token[] {
    return this.#messages[this.#step] ?? []
  }

  #advance(state: State): void {
    this.#state = state
    this.#step += 1
  }

  #readToken(state: State, token: Token, bytes: Uint8Array): Decoded<State> {
    if (token === 'e') {
      // Refused here and not where it is used first: that may be while we write.
      if (this.#ephemeral.agree(bytes) === undefined) return malformed('ephemeral key of low order')
      return decoded({ ...mixHash(state, bytes), remoteEphemeral: copyOf(bytes) })
    }
    if (token === 's') {
      const opened = openAndHash(state, bytes)
      if (opened === undefined) return malformed('static key not authentic')
      return decoded({ ...opened[0], remoteStatic: copyOf(opened[1]) })
    }
    const mixed = this.#mixAgreement(state, token)
    return mixed === undefined ? malformed('static key of low order') : decoded(mixed)
  }

  // The first letter names the initiator's key, the second the responder's.
  #mixAgreement(state: State, token: 'ee' | 'es' | 'se' | 'ss'): State | undefined {
    const [ours, theirs] = this.#role === 'initiator' ? [token[0], token[1]] : [token[1], token[0]]
    const own = ours === 'e' ? this.#ephemeral : this.#static
    const remote = theirs === 'e' ? state.remoteEphemeral : state.remoteStatic
    if (remote === undefined) throw new Error(`The pattern uses "${token}" before its keys`)
    const secret = own.agree(remote)
    return secret === undefined ? undefined : mixKey(state, secret)
  }
}

function initialState(options: NoiseOptions): State {
  const { pattern, role, staticKey, remoteStatic } = options
  if ((remoteStatic !== undefined) !== (pattern === 'IK' && role === 'initiator')) {
    throw new TypeError("The remote static key is for IK's initiator, and only for it")
  }
  // Noise §5.2: a name of exactly the hash's 32 bytes is used as it is. Ours has 32.
  const name = utf8(`Noise_${pattern}_25519_ChaChaPoly_SHA256`)
  const state: State = {
    chainingKey: name,
    hash: name,
    cipherKey: undefined,
    nonce: 0,
    remoteEphemeral: undefined,
    remoteStatic: remoteStatic === undefined ? undefined : copyOf(remoteStatic),
  }
  const withPrologue = mixHash(state, options.prologue)
  if (pattern === 'XX') return withPrologue
  return mixHash(withPrologue, role === 'initiator' ? (remoteStatic ?? name) : staticKey.publicKey)
}

function tokenBytes(token: Token, state: State): number {
  if (token === 'e') return KEY_BYTES
  if (token === 's') return KEY_BYTES + (state.cipherKey === undefined ? 0 : TAG_BYTES)
  return 0
}

function mixHash(state: State, bytes: Uint8Array): State {
  return { ...state, hash: sha256(state.hash, bytes) }
}

function mixKey(state: State, secret: Uint8Array): State {
  const [chainingKey, cipherKey] = expand(state.chainingKey, secret)
  return { ...state, chainingKey, cipherKey, nonce: 0 }
}

function sealAndHash(state: State, plaintext: Uint8Array): readonly [State, Uint8Array] {
  if (state.cipherKey === undefined) return [mixHash(state, plaintext), plaintext]
  const sealed = sealAead(state.cipherKey, nonceBytes(state.nonce), state.hash, plaintext)
  return [{ ...mixHash(state, sealed), nonce: state.nonce + 1 }, sealed]
}

function openAndHash(state: State, sealed: Uint8Array): readonly [State, Uint8Array] | undefined {
  if (state.cipherKey === undefined) return [mixHash(state, sealed), copyOf(sealed)]
  const plaintext = openAead(state.cipherKey, nonceBytes(state.nonce), state.hash, sealed)
  if (plaintext === undefined) return undefined
  return [{ ...mixHash(state, sealed), nonce: state.nonce + 1 }, plaintext]
}

// Noise §12.3: 32 zero bits, then the counter little-endian.
function nonceBytes(counter: number): Uint8Array {
  const nonce = new Uint8Array(NONCE_BYTES)
  asBuffer(nonce).writeBigUInt64LE(BigInt(counter), 4)
  return nonce
}

// Noise §4.3's HKDF with two outputs is RFC 5869 with an empty info.
function expand(chainingKey: Uint8Array, secret: Uint8Array): readonly [Uint8Array, Uint8Array] {
  const both = hkdfSha256(secret, chainingKey, new Uint8Array(0), 2 * KEY_BYTES)
  return [both.slice(0, KEY_BYTES), both.slice(KEY_BYTES)]
}
