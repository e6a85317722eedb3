/**
 * Which way of punching a pair of NATs wants: a pure function of both sides, so that both daemons choose the same.
 * Nothing is tried in turn. `docs/protocol/traversal.md` draws the table and says why each row is as it is.
 */
import { isFixed, type NatSide, type PortGuess } from './nat-side.ts'
import type { ProbeRole } from './probe.ts'

export const strategyKinds = [
  'punch',
  'fresh-sockets',
  'predict',
  'predict-both',
  'birthday',
  'block-spray',
] as const

export type StrategyKind = (typeof strategyKinds)[number]

export type Strategy =
  /** Openers and probes to the candidates are all it takes. */
  | { readonly kind: 'punch' }
  /** The same once more from new sockets, where a router keeps a wrong memory of the old ones. */
  | { readonly kind: 'fresh-sockets' }
  /** The other side's next port follows a rule: `active` probes those near it. */
  | { readonly kind: 'predict'; readonly active: ProbeRole }
  | { readonly kind: 'predict-both' }
  /** The other side opens many sockets towards `active`, who probes ports of the other's range. */
  | { readonly kind: 'birthday'; readonly active: ProbeRole }
  /** Both know that the other's port is one of few. */
  | { readonly kind: 'block-spray' }

/** Why nothing can be done for a pair but to carry it over the relay. */
export interface Hopeless {
  readonly kind: 'none'
  readonly why: 'ports-unpredictable' | 'address-pool'
}

/** The initiator is named first; who of the two is `active` follows from that alone. */
export function chooseStrategy(initiator: NatSide, responder: NatSide): Strategy | Hopeless {
  if (canMeet(initiator, responder)) return { kind: 'punch' }
  const isElsewhere = (side: NatSide): boolean => side.isPooled && !isFixed(side)
  if (isElsewhere(initiator) || isElsewhere(responder)) {
    return { kind: 'none', why: 'address-pool' }
  }
  return (
    prediction(initiator, responder) ??
    birthday(initiator, responder) ??
    blockSpray(initiator, responder) ?? { kind: 'none', why: 'ports-unpredictable' }
  )
}

/**
 * Can probes meet without guessing ports?
 * - Both endpoint-independent: always; each knows where the other is.
 * - One of them: its address is known, and it must let in the other side's unknown port.
 * - None: somebody must let in strangers, and the other at least whoever lives at an address that was asked.
 */
function canMeet(a: NatSide, b: NatSide): boolean {
  if (isFixed(a)) return isFixed(b) || !isPortFiltering(a)
  if (isFixed(b)) return !isPortFiltering(b)
  return (isOpen(a) && !isPortFiltering(b)) || (isOpen(b) && !isPortFiltering(a))
}

function prediction(initiator: NatSide, responder: NatSide): Strategy | undefined {
  if (isFixed(initiator)) {
    return isPredictable(responder) ? { kind: 'predict', active: 'initiator' } : undefined
  }
  if (isFixed(responder)) {
    return isPredictable(initiator) ? { kind: 'predict', active: 'responder' } : undefined
  }
  const both = isPredictable(initiator) && isPredictable(responder)
  return both ? { kind: 'predict-both' } : undefined
}

function birthday(initiator: NatSide, responder: NatSide): Strategy | undefined {
  const choices = [
    { active: 'initiator', prober: initiator, opener: responder },
    { active: 'responder', prober: responder, opener: initiator },
  ] as const
  const possible = choices.filter(({ prober, opener }) => canSpray(prober, opener))
  const [first, second] = possible
  if (first === undefined) return undefined
  const isSecondBetter =
    second !== undefined && portCount(second.opener.ports) < portCount(first.opener.ports)
  return { kind: 'birthday', active: isSecondBetter ? second.active : first.active }
}

/**
 * The opener's sockets each open one port towards the prober. A probe that hits one must be let in, and so must the
 * answer. That wants one of two things:
 * - The prober's port is the same for all the ports that it probes, and known or guessed by the opener.
 * - The opener lets in all ports of an address that it asked, and answers from the port that was hit, or need not.
 *
 * Where each probe leaves from another port *and* the opener filters by port, a hit wants both ports right at once: the
 * expected number of hits is one packet of the opener for each port of its range, 1.6 % for 1,024 sockets in 64,512.
 */
function canSpray(prober: NatSide, opener: NatSide): boolean {
  if (isFixed(opener) || isPredictable(opener)) return false
  const isPortKnown = prober.mapping !== 'address-and-port-dependent' && isPredictable(prober)
  if (isFixed(prober) || isPortKnown) return true
  const answersFromThere = opener.mapping === 'address-dependent' || !isPortFiltering(prober)
  return !isPortFiltering(opener) && answersFromThere
}

/** Every port of both blocks can be tried within the budget up to this size. */
export const MOST_BLOCK_PORTS = 1024

function blockSpray(initiator: NatSide, responder: NatSide): Strategy | undefined {
  return isBlock(initiator) && isBlock(responder) ? { kind: 'block-spray' } : undefined
}

function isBlock({ ports }: NatSide): boolean {
  return ports.kind === 'range' && ports.isOwn && portCount(ports) <= MOST_BLOCK_PORTS
}

function isOpen({ filtering }: NatSide): boolean {
  return filtering === 'endpoint-independent'
}

function isPortFiltering({ filtering }: NatSide): boolean {
  return filtering === 'address-and-port-dependent'
}

function isPredictable({ ports }: NatSide): boolean {
  return ports.kind !== 'range'
}

export function portCount(ports: PortGuess): number {
  return ports.kind === 'range' ? ports.high - ports.low + 1 : 1
}
