/** The element that carries a `NatProfile`. */
import { type Decoded, decoded, malformed } from '../../core/decoded.ts'
import {
  MOST_NAT_DEPTH,
  MOST_NAT_LIFETIME_MS,
  MOST_PORT_STEP,
  natDependences,
  type NatProfile,
  type PortRule,
} from './nat-profile.ts'
import { attribute, child, optional, type Part, record } from './parts.ts'
import { flag, integer, oneOf, type Scalar } from './scalars.ts'

const STEP = /^-?[1-9][0-9]{0,2}$/

/** Never 0: that would be no rule. */
const portStep: Scalar<number> = {
  write: String,
  read: (text) => {
    const value = STEP.test(text) ? Number(text) : Number.NaN
    return Math.abs(value) <= MOST_PORT_STEP ? value : undefined
  },
}

const kind = attribute(
  'ports',
  oneOf('preserve', 'sequential', 'random', 'parity', 'block', 'unknown'),
)
const step = attribute('step', portStep)
const range = record<{ readonly low: number; readonly high: number }>({
  low: attribute('low', integer(1, 65_535)),
  high: attribute('high', integer(1, 65_535)),
})

/** Attributes that depend on the kind: what a kind does not have is not read. */
const ports: Part<PortRule> = {
  isOptional: false,
  write: (rule, into) => {
    kind.write(rule.kind, into)
    if (rule.kind === 'sequential') step.write(rule.step, into)
    else if (rule.kind !== 'preserve' && rule.kind !== 'unknown') range.write(rule, into)
  },
  read: (from) => {
    const named = kind.read(from)
    if (named?.ok !== true) return named
    switch (named.value) {
      case 'preserve':
      case 'unknown':
        return decoded({ kind: named.value })
      case 'sequential': {
        const read = step.read(from) ?? malformed('sequential ports without step')
        return read.ok ? decoded({ kind: 'sequential', step: read.value }) : read
      }
      case 'random':
      case 'parity':
      case 'block':
        return rangeRule(named.value, range.read(from) ?? malformed('ports without a range'))
    }
  },
}

function rangeRule(
  named: 'random' | 'parity' | 'block',
  read: Decoded<{ readonly low: number; readonly high: number }>,
): Decoded<PortRule> {
  if (!read.ok) return read
  if (read.value.low > read.value.high) return malformed('ports from high to low')
  return decoded({ kind: named, ...read.value })
}

export const natPart: Part<NatProfile> = child(
  'nat',
  record<NatProfile>({
    mapping: attribute('mapping', oneOf('none', ...natDependences, 'unknown')),
    filtering: attribute('filtering', oneOf(...natDependences, 'unknown')),
    ports,
    isPooled: attribute('pooled', flag),
    lifetimeMs: optional(attribute('lifetime-ms', integer(1, MOST_NAT_LIFETIME_MS))),
    depth: optional(attribute('depth', integer(0, MOST_NAT_DEPTH))),
  }),
)
