import { utf8 } from '../../../src/core/bytes.ts'
import { deviceLoginStatement, staticKeyStatement } from '../../../src/crypto/device-statement.ts'
import { sha256 } from '../../../src/crypto/hash.ts'
import { type Identity, identityFromSeed } from '../../../src/crypto/identity.ts'
import { DEFAULT_HASHING } from '../../../src/crypto/password-hashing.ts'
import { makeVerifier } from '../../../src/crypto/scram.ts'
import { staticKeyFromSeed } from '../../../src/crypto/static-key.ts'
import type { DeviceKeys, PasswordVerifier } from '../../../src/protocol/server/messages.ts'

export interface TestDevice {
  readonly identity: Identity
  readonly keys: DeviceKeys
  signLogin(exporter: Uint8Array): Uint8Array
}

/** The device of that name: the same keys in every run. */
export function testDevice(name: string): TestDevice {
  const identity = identityFromSeed(sha256(utf8(`identity of ${name}`)))
  const { publicKey } = staticKeyFromSeed(sha256(utf8(`static of ${name}`)))
  return {
    identity,
    keys: {
      // Buffers, as decoders give them, for comparisons.
      identity: Buffer.from(identity.publicKey),
      static: Buffer.from(publicKey),
      staticSignature: Buffer.from(identity.sign(staticKeyStatement(publicKey))),
    },
    signLogin: (exporter) => identity.sign(deviceLoginStatement(exporter)),
  }
}

/** Stands in for argon2id's output: what is tested here begins behind it. */
export function saltedPassword(password: string): Uint8Array {
  return sha256(utf8(password))
}

export function verifierOf(password: string): PasswordVerifier {
  const salt = sha256(utf8(`salt of ${password}`)).subarray(0, 16)
  return makeVerifier(saltedPassword(password), salt, DEFAULT_HASHING)
}
