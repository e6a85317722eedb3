/**
 * What a daemon's NAT does, as its own tests (`src/natprobe`) or its addresses tell: travels with each introduction, so
 * that both sides choose the same way of punching from both profiles. Terms of RFC 4787 §4 and §5.
 */

export const natDependences = [
  'endpoint-independent',
  'address-dependent',
  'address-and-port-dependent',
] as const

export type NatDependence = (typeof natDependences)[number]

/** By which rule a NAT gives a new mapping its public port. */
export type PortRule =
  /** The port of the socket itself. */
  | { readonly kind: 'preserve' }
  /** The last one given and a constant more, or less. */
  | { readonly kind: 'sequential'; readonly step: number }
  /** Any in a range; `parity`: even for even ports and odd for odd ones; `block`: the range is this host's alone (RFC 7422). */
  | {
      readonly kind: 'random' | 'parity' | 'block'
      readonly low: number
      readonly high: number
    }
  | { readonly kind: 'unknown' }

/** Larger steps are not believed to be steps. */
export const MOST_PORT_STEP = 256

/** More NATs in a row than anybody has seen. */
export const MOST_NAT_DEPTH = 16

/** Longer than any NAT keeps a UDP mapping. */
export const MOST_NAT_LIFETIME_MS = 24 * 60 * 60 * 1000

export interface NatProfile {
  /** `none`: the socket's own address is its public one. */
  readonly mapping: 'none' | NatDependence | 'unknown'
  readonly filtering: NatDependence | 'unknown'
  readonly ports: PortRule
  /** New mappings may get another public address. */
  readonly isPooled: boolean
  /** How long an idle mapping stands, where that was measured. */
  readonly lifetimeMs?: number
  /** NATs between the host and the internet, where that was measured. */
  readonly depth?: number
}
