import { z } from 'zod'
import { copyOf, toHex } from '../core/bytes.ts'
import type { Random } from '../core/random.ts'
import type { Store } from '../core/store.ts'
import { staticKeyStatement } from '../crypto/device-statement.ts'
import { type Identity, identityFromSeed } from '../crypto/identity.ts'
import { type StaticKey, staticKeyFromSeed } from '../crypto/static-key.ts'
import type { DeviceKeys } from '../protocol/server/messages.ts'
import { bytesField, putRecord, readRecord } from './records.ts'

const KEY = 'device'

const record = z.object({
  identitySeed: bytesField,
  staticSeed: bytesField,
  instance: z.string(),
})

/** What makes this device this device. Whoever reads the store has it: the directory is 0700. */
export interface Device {
  readonly identity: Identity
  readonly staticKey: StaticKey
  /** The public half, signed, as servers and peers see it. */
  readonly keys: DeviceKeys
  /** Names this store, so that clients know whose sequence numbers they hold. */
  readonly instance: string
}

/** Reads the device's keys, or draws them when the store is new. They are random, never derived from a password. */
export async function openDevice(store: Store, random: Random): Promise<Device> {
  const bytes = await store.get(KEY)
  if (bytes !== undefined) return deviceOf(readRecord(record, KEY, bytes))
  const fresh = {
    identitySeed: random.bytes(32),
    staticSeed: random.bytes(32),
    instance: toHex(random.bytes(8)),
  }
  await store.write([putRecord(record, KEY, fresh)])
  return deviceOf(fresh)
}

function deviceOf({ identitySeed, staticSeed, instance }: z.output<typeof record>): Device {
  const identity = identityFromSeed(identitySeed)
  const staticKey = staticKeyFromSeed(staticSeed)
  const keys = {
    identity: copyOf(identity.publicKey),
    static: copyOf(staticKey.publicKey),
    staticSignature: identity.sign(staticKeyStatement(staticKey.publicKey)),
  }
  return { identity, staticKey, keys, instance }
}
