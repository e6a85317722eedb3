/**
 * What PCP and NAT-PMP say differently. Both ask the gateway by datagrams, and both have a harmless question, a lease,
 * a deletion and an epoch: `DatagramClient` knows when to ask what, a dialect knows the words.
 */
import type { Endpoint } from '../../core/endpoint.ts'
import type { Instant } from '../../core/instant.ts'
import type { Schedule } from '../../stun/transactions.ts'
import type { MappingRecord, UnavailableReason } from './mapping-client.ts'

/** A datagram of the gateway, in words that both protocols share. */
export type Heard =
  /** It knows other versions than ours alone. */
  | { readonly kind: 'other-version' }
  /** The answer to the greeting, or what a gateway says to everybody after a restart. */
  | { readonly kind: 'alive'; readonly hasForgotten: boolean }
  | {
      readonly kind: 'granted'
      readonly external: Endpoint
      readonly lifetimeSeconds: number
      readonly hasForgotten: boolean
    }
  | { readonly kind: 'deleted' }
  | {
      readonly kind: 'refused'
      readonly what: 'greeting' | 'mapping'
      readonly why: UnavailableReason
      /** It may be over before a lease is. */
      readonly isPassing: boolean
    }

export interface Dialect {
  readonly schedule: () => Schedule
  /** Makes nothing; the answer tells that the gateway speaks the protocol, and the epoch. */
  greeting(): Uint8Array
  /** `suggested` is what we had; `undefined` the first time. */
  request(suggested: Endpoint | undefined): Uint8Array
  deletion(): Uint8Array
  /** The deletion of what an earlier life of the daemon left behind; `undefined` where it is taken over instead. */
  cleaning(leftover: MappingRecord): Uint8Array | undefined
  record(external: Endpoint): MappingRecord
  /** Reads a datagram that came from the gateway; `undefined` for what is not about us. Remembers the epoch. */
  hear(now: Instant, bytes: Uint8Array): Heard | undefined
}
