/**
 * The port for what others need to seal messages: prekeys, of the device that an account used last, and the log of the
 * devices it has had. Calls that change something resolve when it is on disk.
 *
 * Implementation: `kv-key-store.ts`; `test/contract/key-store.contract.ts` is what each must do.
 */
import type {
  AccountNumber,
  DeviceKeys,
  KeyLogEntry,
  Prekey,
  SignedPrekey,
} from '../../protocol/server/messages.ts'

/** One-time prekeys kept for an account; a daemon that publishes more than it is told to is refused. */
export const MAX_ONE_TIME = 200

/** Entries kept of a key log. Older ones go, though their chain goes on: nobody fills a disk with new devices. */
export const MAX_KEY_LOG = 1_000

export interface PrekeySupply {
  readonly device: DeviceKeys
  readonly signed: SignedPrekey
  readonly oneTime: number
}

export interface TakenPrekeys {
  readonly device: DeviceKeys
  readonly signed: SignedPrekey
  readonly oneTime: readonly Prekey[]
}

export interface KeyStore {
  /** Replaces the signed prekey and adds the others; those of another device go. `false`: too many; nothing is written. */
  publish(
    owner: AccountNumber,
    device: DeviceKeys,
    signed: SignedPrekey,
    oneTime: readonly Prekey[],
  ): Promise<boolean>
  /** What is left, whichever device's it is. */
  supply(owner: AccountNumber): Promise<PrekeySupply | undefined>
  /** Takes out one-time prekeys: none of them is given a second time. `undefined` where nothing was published. */
  take(owner: AccountNumber, count: number): Promise<TakenPrekeys | undefined>
  /** The log after an index, oldest first. */
  log(owner: AccountNumber, after: number, most: number): Promise<readonly KeyLogEntry[]>
}
