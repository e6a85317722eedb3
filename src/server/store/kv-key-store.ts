/**
 * Prekeys and key logs over an ordered key-value store.
 *
 * | key | holds |
 * |---|---|
 * | `prekey-signed/NUMBER` | an account's signed prekey, and whose device it is of |
 * | `prekey/NUMBER/N` | its one-time prekeys |
 * | `key-log/NUMBER/INDEX` | each device that followed another, chained by hashes |
 */
import { z } from 'zod'
import { equalBytes } from '../../core/bytes.ts'
import type { Store, StoreChange, StoreRange } from '../../core/store.ts'
import { sha256 } from '../../crypto/hash.ts'
import type {
  AccountNumber,
  DeviceKeys,
  KeyLogEntry,
  Prekey,
  SignedPrekey,
} from '../../protocol/server/messages.ts'
import {
  type KeyStore,
  MAX_KEY_LOG,
  MAX_ONE_TIME,
  type PrekeySupply,
  type TakenPrekeys,
} from './key-store.ts'
import { lastNumberOf, numbersUnder, sortable } from './keys.ts'
import { bytesField, putRecord } from './record.ts'
import { type OnDamage, Records } from './records.ts'

const deviceField = z.object({
  identity: bytesField,
  static: bytesField,
  staticSignature: bytesField,
})

const signedRecord = z.object({
  device: deviceField,
  number: z.number(),
  key: bytesField,
  signature: bytesField,
})
const oneTimeRecord = z.object({ key: bytesField })
const logRecord = z.object({ device: deviceField, chain: bytesField })

const NO_CHAIN = new Uint8Array(32)

export class KvKeyStore implements KeyStore {
  readonly #records: Records

  constructor(store: Store, onDamage?: OnDamage) {
    this.#records = new Records(store, onDamage)
  }

  publish(
    owner: AccountNumber,
    device: DeviceKeys,
    signed: SignedPrekey,
    oneTime: readonly Prekey[],
  ): Promise<boolean> {
    return this.#records.inOrder(async () => {
      const before = await this.#records.read(signedRecord, signedKey(owner))
      const isSameDevice = before !== undefined && isSame(before.device, device)
      const present = await this.#oneTime(owner, MAX_ONE_TIME)
      const kept = isSameDevice ? present.length : 0
      if (kept + oneTime.length > MAX_ONE_TIME) return false
      await this.#records.write([
        putRecord(signedRecord, signedKey(owner), { device, ...signed }),
        ...(isSameDevice ? [] : present.map(({ number }) => deleted(owner, number))),
        ...oneTime.map(({ number, key }) =>
          putRecord(oneTimeRecord, oneTimeKey(owner, number), { key }),
        ),
      ])
      return true
    })
  }

  async supply(owner: AccountNumber): Promise<PrekeySupply | undefined> {
    const signed = await this.#records.read(signedRecord, signedKey(owner))
    if (signed === undefined) return undefined
    const { device, number, key, signature } = signed
    const { length } = await this.#oneTime(owner, MAX_ONE_TIME)
    return { device, signed: { number, key, signature }, oneTime: length }
  }

  take(owner: AccountNumber, count: number): Promise<TakenPrekeys | undefined> {
    return this.#records.inOrder(async () => {
      const found = await this.#records.read(signedRecord, signedKey(owner))
      if (found === undefined) return undefined
      const { device, number, key, signature } = found
      const oneTime = count === 0 ? [] : await this.#oneTime(owner, count)
      if (oneTime.length > 0)
        await this.#records.write(oneTime.map((one) => deleted(owner, one.number)))
      return { device, signed: { number, key, signature }, oneTime }
    })
  }

  async log(owner: AccountNumber, after: number, most: number): Promise<readonly KeyLogEntry[]> {
    const range = { ...numbersUnder(logPrefix(owner), after), limit: most }
    return await this.#entries(range)
  }

  /** What is to be written together with a device that is used now. */
  async logged(owner: AccountNumber, device: DeviceKeys): Promise<readonly StoreChange[]> {
    const range = { ...numbersUnder(logPrefix(owner)), reverse: true, limit: 1 }
    const [last] = await this.#entries(range)
    if (last !== undefined && isSame(last.device, device)) return []
    const index = (last?.index ?? 0) + 1
    const chain = sha256(last?.chain ?? NO_CHAIN, device.identity, device.static)
    return [
      putRecord(logRecord, logKey(owner, index), { device, chain }),
      { kind: 'delete', key: logKey(owner, index - MAX_KEY_LOG) },
    ]
  }

  /** Every key under which something of an account is. */
  async keysOf(owner: AccountNumber): Promise<readonly string[]> {
    return [
      signedKey(owner),
      ...(await this.#records.keys(numbersUnder(oneTimePrefix(owner)))),
      ...(await this.#records.keys(numbersUnder(logPrefix(owner)))),
    ]
  }

  async idle(): Promise<void> {
    await this.#records.idle()
  }

  async #oneTime(owner: AccountNumber, limit: number): Promise<readonly Prekey[]> {
    const prekeys: Prekey[] = [] // ≤ limit
    const range = { ...numbersUnder(oneTimePrefix(owner)), limit }
    for await (const { key, value } of this.#records.range(oneTimeRecord, range)) {
      prekeys.push({ number: lastNumberOf(key), ...value })
    }
    return prekeys
  }

  async #entries(range: StoreRange): Promise<readonly KeyLogEntry[]> {
    const entries: KeyLogEntry[] = [] // ≤ the range's limit
    for await (const { key, value } of this.#records.range(logRecord, range)) {
      entries.push({ index: lastNumberOf(key), ...value })
    }
    return entries
  }
}

function isSame(a: DeviceKeys, b: DeviceKeys): boolean {
  return equalBytes(a.identity, b.identity) && equalBytes(a.static, b.static)
}

function deleted(owner: AccountNumber, number: number): StoreChange {
  return { kind: 'delete', key: oneTimeKey(owner, number) }
}

function signedKey(owner: AccountNumber): string {
  return `prekey-signed/${sortable(owner)}`
}

function oneTimePrefix(owner: AccountNumber): string {
  return `prekey/${sortable(owner)}/`
}

function oneTimeKey(owner: AccountNumber, number: number): string {
  return oneTimePrefix(owner) + sortable(number)
}

function logPrefix(owner: AccountNumber): string {
  return `key-log/${sortable(owner)}/`
}

function logKey(owner: AccountNumber, index: number): string {
  return logPrefix(owner) + sortable(index)
}
