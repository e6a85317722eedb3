import type { Segment } from './segment.ts'

/** A router's place in the network above it. */
export interface Uplink {
  readonly segment: Segment
  /** Of a user-space router's own interface there, which no host ever sees. */
  readonly address: string
  /** What it translates to; routed to `address`, or its own where the kernel is the router. */
  readonly publicAddress: (index: number) => string
  readonly route: (...destinations: readonly string[]) => Promise<void>
  readonly unroute: (destination: string) => Promise<void>
}
