import { createPrivateKey, X509Certificate } from 'node:crypto'
import { type Decoded, decoded, malformed } from '../core/decoded.ts'

export interface CertificateFacts {
  /** Signed by its own key: nobody's authorities know it, so a link must pin it. */
  readonly isSelfSigned: boolean
  /** As OpenSSL writes it; `Date.parse` reads it. */
  readonly notAfter: string
}

/** What a certificate says of itself, when the key is its own; of a chain, the first one counts. */
export function certificateFacts(
  certificatePem: string,
  keyPem: string,
): Decoded<CertificateFacts> {
  try {
    const certificate = new X509Certificate(certificatePem)
    if (!certificate.checkPrivateKey(createPrivateKey(keyPem))) {
      return malformed('the key is not the one of the certificate')
    }
    return decoded({
      isSelfSigned: certificate.verify(certificate.publicKey),
      notAfter: certificate.validTo,
    })
  } catch (error) {
    return malformed(`no certificate or key in PEM: ${error instanceof Error ? error.message : ''}`)
  }
}
