import { X509Certificate } from 'node:crypto'
import { sha256 } from './hash.ts'

/**
 * What a server link pins: SHA-256 of the certificate's SubjectPublicKeyInfo (RFC 7469 §2.4), which stays the same when
 * the certificate is renewed with its key. `undefined` when the text is no certificate.
 */
export function certificatePin(certificatePem: string): Uint8Array | undefined {
  try {
    const { publicKey } = new X509Certificate(certificatePem)
    return sha256(publicKey.export({ type: 'spki', format: 'der' }))
  } catch {
    return undefined
  }
}
