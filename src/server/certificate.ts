/**
 * The server's TLS identity: an EC key on P-256 with a self-signed certificate, made at the first start. Clients know
 * it by the pin in the server link, so its names and its end mean nothing to them. Or it is the operator's own.
 */
import { readFile } from 'node:fs/promises'
import { certificateFacts } from '../crypto/certificate-facts.ts'
import { certificatePin } from '../crypto/certificate-pin.ts'
import { HollerError } from '../core/holler-error.ts'
import type { DataDirectory } from './data-directory.ts'

const KEY_FILE = 'tls-key.pem'
const CERTIFICATE_FILE = 'tls-certificate.pem'

/** Longer than any link that names its key will be passed on. */
const LIFETIME_YEARS = 30

/** A clock that is a little behind the server's must not find a certificate of the future. */
const BACKDATED_MS = 24 * 60 * 60 * 1000

export interface TlsIdentity {
  readonly keyPem: string
  readonly certificatePem: string
  /** 32 bytes, for the link; absent where the authorities that clients know vouch for the certificate. */
  readonly pin?: Uint8Array
  /** Wall clock, ms since 1970 UTC. */
  readonly notAfterMs: number
}

/** Where an operator's own certificate is. */
export interface GivenCertificate {
  readonly certificateFile: string
  readonly keyFile: string
}

/** @throws HollerError `CONFIG_INVALID` when a file cannot be read, or the two do not belong together. */
export async function givenTlsIdentity({
  certificateFile,
  keyFile,
}: GivenCertificate): Promise<TlsIdentity> {
  const certificatePem = await readPem(certificateFile)
  const keyPem = await readPem(keyFile)
  const facts = certificateFacts(certificatePem, keyPem)
  if (!facts.ok) {
    throw new HollerError('CONFIG_INVALID', `"${certificateFile}" and "${keyFile}": ${facts.why}`)
  }
  const { isSelfSigned, notAfter } = facts.value
  const pin = isSelfSigned ? certificatePin(certificatePem) : undefined
  const notAfterMs = Date.parse(notAfter)
  return { certificatePem, keyPem, notAfterMs, ...(pin === undefined ? {} : { pin }) }
}

async function readPem(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown reason'
    throw new HollerError('CONFIG_INVALID', `Cannot read "${path}": ${code}`, { cause: error })
  }
}

/** @throws HollerError `STORE_UNUSABLE` when there is half an identity, or one that cannot be read. */
export async function tlsIdentity(directory: DataDirectory, nowMs: number): Promise<TlsIdentity> {
  const keyPem = await directory.read(KEY_FILE)
  const certificatePem = await directory.read(CERTIFICATE_FILE)
  if (keyPem !== undefined && certificatePem !== undefined) {
    return withPin(keyPem, certificatePem, directory)
  }
  // The key is written last: half an identity is one whose making was interrupted, and has pinned nobody yet.
  if (keyPem !== undefined) throw damaged(directory)
  const made = await makeCertificate(nowMs)
  await directory.write(CERTIFICATE_FILE, made.certificatePem)
  await directory.write(KEY_FILE, made.keyPem)
  return withPin(made.keyPem, made.certificatePem, directory)
}

async function makeCertificate(
  nowMs: number,
): Promise<{ readonly keyPem: string; readonly certificatePem: string }> {
  // Loaded only here: it takes longer than everything else of a start.
  const { generate } = await import('selfsigned')
  const notAfterDate = new Date(nowMs)
  notAfterDate.setUTCFullYear(notAfterDate.getUTCFullYear() + LIFETIME_YEARS)
  const made = await generate([{ name: 'commonName', value: 'holler-server' }], {
    keyType: 'ec',
    curve: 'P-256',
    algorithm: 'sha256',
    notBeforeDate: new Date(nowMs - BACKDATED_MS),
    notAfterDate,
  })
  return { keyPem: made.private, certificatePem: made.cert }
}

function withPin(keyPem: string, certificatePem: string, directory: DataDirectory): TlsIdentity {
  const pin = certificatePin(certificatePem)
  const facts = certificateFacts(certificatePem, keyPem)
  if (pin === undefined || !facts.ok) throw damaged(directory)
  return { keyPem, certificatePem, pin, notAfterMs: Date.parse(facts.value.notAfter) }
}

function damaged({ path }: DataDirectory): HollerError {
  return new HollerError(
    'STORE_UNUSABLE',
    `The TLS key or certificate in "${path}" is damaged; restore both, or remove both and pass on the new link`,
  )
}
