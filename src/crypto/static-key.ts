/** A device's X25519 key (RFC 7748): what two daemons agree on secrets with. */
import { diffieHellman } from 'node:crypto'
import { copyOf } from '../core/bytes.ts'
import { importPrivateKey, importPublicKey, rawPublicKey } from './raw-key.ts'

export interface StaticKey {
  readonly publicKey: Uint8Array // 32 bytes
  /** The shared secret, 32 bytes; `undefined` when the peer's key is malformed or of low order. */
  agree(peerPublic: Uint8Array): Uint8Array | undefined
}

/** The seed is the private key itself, before clamping (RFC 7748 §5). */
export function staticKeyFromSeed(seed: Uint8Array): StaticKey {
  const privateKey = importPrivateKey('x25519', seed)
  return {
    publicKey: rawPublicKey(privateKey),
    agree: (peerPublic) => {
      const publicKey = importPublicKey('x25519', peerPublic)
      if (publicKey === undefined) return undefined
      try {
        return nonZero(copyOf(diffieHellman({ privateKey, publicKey })))
      } catch {
        return undefined // OpenSSL refuses points of low order, which give everybody the same secret
      }
    },
  }
}

// RFC 7748 §6.1: the check for the all-zero value, whatever the library does.
function nonZero(secret: Uint8Array): Uint8Array | undefined {
  return secret.some((byte) => byte !== 0) ? secret : undefined
}
