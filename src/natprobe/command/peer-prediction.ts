/**
 * What two reports say of the path between their hosts: the way of punching that both daemons would choose, and what may
 * be expected of it. Calculated, not measured: chances of guessed ports are those of drawing them at random.
 */
import type { NatProfile, PortRule } from '../../protocol/server/nat-profile.ts'
import { natSideOf } from '../../traversal/nat-side.ts'
import { chooseStrategy, type Hopeless, type Strategy } from '../../traversal/strategy.ts'
import type { PeerPrediction } from '../outside.ts'

type Json = Readonly<Record<string, unknown>>

/** What punching takes where nothing has to be guessed: an introduction, T0 and a round trip. */
const PUNCH_SECONDS = 0.5

/** Three rounds of predicted ports, 5 ms apart; a round that fails takes another STUN sample. */
const PREDICT = { chance: 0.95, expectedSeconds: 1 } as const

/** Of a birthday attempt: sockets, probes, and the time from one probe to the next. */
const BIRTHDAY = { sockets: 256, probes: 1024, spacingSeconds: 0.004 } as const

/** Every port of a block of at most 1024, twice, 2 ms apart. */
const BLOCK = { chance: 0.9, expectedSeconds: 1.5 } as const

/** Both are reports as `--json` writes them, or as much of one as a buddy's daemon tells (`buddy-report.ts`). The better family of the two decides. */
export function predictPath(own: Json, peer: Json): PeerPrediction {
  const predictions = (['ipv6', 'ipv4'] as const).flatMap((family) => {
    const [a, b] = [profileIn(own, family), profileIn(peer, family)]
    return a === undefined || b === undefined ? [] : [predicted(a, b)]
  })
  const best = predictions.sort((one, other) => other.chance - one.chance)[0]
  return best ?? { strategy: 'relay', chance: 0, expectedSeconds: null, why: 'no family in common' }
}

function predicted(own: NatProfile, peer: NatProfile): PeerPrediction {
  const [a, b] = [natSideOf(own, []), natSideOf(peer, [])]
  const strategy: Strategy | Hopeless = chooseStrategy(a, b)
  switch (strategy.kind) {
    case 'punch':
    case 'fresh-sockets':
      return { strategy: strategy.kind, chance: 0.99, expectedSeconds: PUNCH_SECONDS }
    case 'predict':
    case 'predict-both':
      return { strategy: strategy.kind, ...PREDICT }
    case 'birthday':
      return { strategy: 'birthday', ...birthday(strategy.active === 'initiator' ? peer : own) }
    case 'block-spray':
      return { strategy: 'block-spray', ...BLOCK }
    case 'none':
      return { strategy: 'relay', chance: 0, expectedSeconds: null, why: strategy.why }
  }
}

/** The opener's sockets are at random ports of its range; each probe hits one of them or not. */
function birthday({ ports }: NatProfile): Omit<PeerPrediction, 'strategy'> {
  const size = 'low' in ports ? ports.high - ports.low + 1 : 64_512
  const share = Math.min(1, BIRTHDAY.sockets / size)
  const chance = Math.round(100 * (1 - (1 - share) ** BIRTHDAY.probes)) / 100
  const probes = Math.min(BIRTHDAY.probes, 1 / share)
  const seconds = PUNCH_SECONDS + probes * BIRTHDAY.spacingSeconds
  return { chance, expectedSeconds: Math.round(10 * seconds) / 10 }
}

function profileIn(report: Json, family: 'ipv4' | 'ipv6'): NatProfile | undefined {
  const families = report['families']
  const found = isRecord(families) ? families[family] : undefined
  if (!isRecord(found)) return undefined
  const mapping = mappings.find((one) => one === valueOf(found['mapping']))
  const filtering = filterings.find((one) => one === valueOf(found['filtering']))
  return {
    mapping: mapping ?? 'unknown',
    filtering: filtering ?? 'unknown',
    ports: portRule(valueOf(found['allocator']), valueOf(found['portPreservation'])),
    isPooled: valueOf(found['pooling']) === true,
  }
}

const filterings = [
  'endpoint-independent',
  'address-dependent',
  'address-and-port-dependent',
] as const
const mappings = ['none', ...filterings] as const

function portRule(allocation: unknown, isPreserving: unknown): PortRule {
  if (!isRecord(allocation)) return { kind: isPreserving === true ? 'preserve' : 'unknown' }
  const { kind, step, low, high } = allocation
  if (kind === 'preserve') return { kind }
  if ((kind === 'step' || kind === 'sequential') && typeof step === 'number')
    return { kind: 'sequential', step }
  const isRange = kind === 'random' || kind === 'parity' || kind === 'block'
  if (!isRange || typeof low !== 'number' || typeof high !== 'number') return { kind: 'unknown' }
  return { kind, low, high }
}

function valueOf(finding: unknown): unknown {
  return isRecord(finding) ? finding['value'] : undefined
}

function isRecord(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
