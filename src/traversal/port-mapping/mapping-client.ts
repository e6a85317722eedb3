/** What the clients of the three protocols have in common, seen from the `PortMapper` that runs them. */
import type { Endpoint } from '../../core/endpoint.ts'
import type { Instant } from '../../core/instant.ts'
import type { Machine } from '../../core/machine.ts'
import type { HttpOutcome, HttpRequest } from './http-exchange.ts'

/** In the order of preference: the one with the most dependable semantics first. */
export const mechanisms = ['pcp', 'nat-pmp', 'upnp'] as const

export type Mechanism = (typeof mechanisms)[number]

export type UnavailableReason =
  /** Nobody knows the gateway's address, and these protocols are spoken with nobody else. */
  | 'no-gateway'
  /** The protocol is for IPv4 alone. */
  | 'wrong-family'
  | 'silent'
  | 'unsupported-version'
  | 'unsupported'
  | 'not-authorized'
  /** The gateway has no connection to the outside, or no address there. */
  | 'no-external-address'
  | 'out-of-resources'
  /** Every external port that was tried belongs to somebody else. */
  | 'conflict'
  /** The gateway sees another address than the one we believe to have: there is another NAT in between. */
  | 'address-mismatch'
  /** What describes the gateway makes no sense, or leads away from it. */
  | 'bad-description'
  | 'refused'
  /** The lease ended, and no renewal was answered. */
  | 'expired'
  /** Another mapping was asked for: another port, or in another network. */
  | 'replaced'

/** What a client needs to know of the mapping that it shall make. */
export interface WantedMapping {
  /** Where PCP and NAT-PMP are spoken: the default gateway, usually on port 5351. */
  readonly gateway: Endpoint | undefined
  /** Ours, as the gateway sees it. */
  readonly localAddress: string
  readonly localPort: number
}

/** What to remember of a mapping, so that it can be removed should this process die without doing so. */
export interface MappingRecord {
  readonly by: Mechanism
  readonly localPort: number
  readonly externalPort: number
  /** In hexadecimal; PCP removes nothing without it. */
  readonly nonce?: string
}

export interface Mapped {
  readonly external: Endpoint
  readonly lifetimeMs: number
  /** Not by a lease: it stays on the gateway until it is deleted. `lifetimeMs` is then how long we believe in it. */
  readonly isPermanent: boolean
  /** `remade`: the gateway had forgotten it, or has another external address. */
  readonly cause: 'made' | 'renewed' | 'remade'
  readonly record: MappingRecord
}

export type ClientEvent =
  /** The gateway speaks this protocol; nothing is mapped yet. */
  | { readonly kind: 'found' }
  | ({ readonly kind: 'mapped' } & Mapped)
  /** It does not, or not for us; whatever was mapped is gone. The client rests until `discover`. */
  | { readonly kind: 'unavailable'; readonly why: UnavailableReason }
  /** The answer to `release`. `isConfirmed`: the gateway said that the mapping is gone. */
  | { readonly kind: 'released'; readonly isConfirmed: boolean }
  | { readonly kind: 'http-wanted'; readonly id: number; readonly request: HttpRequest }

export interface MappingClient extends Machine<ClientEvent> {
  /** Asks whether the gateway speaks the protocol: `found` or `unavailable` follows. */
  discover(now: Instant): void
  /** After `found`: makes the mapping and keeps it. `mapped` or `unavailable` follows. */
  map(now: Instant): void
  /** Makes sure now, not at the next renewal, that the mapping is still there. */
  check(now: Instant): void
  /** Deletes the mapping. `released` follows. */
  release(now: Instant): void
  /** Asks once for the deletion and waits for nothing: another mapping is wanted instead. */
  abandon(now: Instant): void
  /** Of those that speak HTTP; answers to what others asked are none of their business. */
  httpAnswered?(now: Instant, id: number, outcome: HttpOutcome): void
}
