import assert from 'node:assert/strict'
import fc from 'fast-check'
import {
  natDependences,
  type NatProfile,
  type PortRule,
} from '../../src/protocol/server/nat-profile.ts'
import type { Candidate } from '../../src/protocol/server/messages.ts'
import { attestedEndpoint, natSideOf } from '../../src/traversal/nat-side.ts'
import { chooseStrategy, type Hopeless, type Strategy } from '../../src/traversal/strategy.ts'
import { at } from './puppet.ts'

const mappings = { EI: natDependences[0], AD: natDependences[1], APD: natDependences[2] } as const

const rules = {
  keep: { kind: 'preserve' },
  step: { kind: 'sequential', step: 2 },
  any: { kind: 'random', low: 1024, high: 65_535 },
  few: { kind: 'random', low: 49_152, high: 65_535 },
  block: { kind: 'block', low: 20_480, high: 20_991 },
  large: { kind: 'block', low: 20_480, high: 22_527 },
} as const satisfies Record<string, PortRule>

/** `APD/AD any`: mapping, filtering, ports. */
function profile(text: string): NatProfile {
  const match = /^(EI|AD|APD)\/(EI|AD|APD) (\w+)( pooled)?$/.exec(text)
  assert.ok(match !== null, text)
  const [, mapping, filtering, ports, pooled] = match
  return {
    mapping: mappings[mapping as keyof typeof mappings],
    filtering: mappings[filtering as keyof typeof mappings],
    ports: rules[ports as keyof typeof rules],
    isPooled: pooled !== undefined,
  }
}

function choose(initiator: string, responder: string): string {
  return written(
    chooseStrategy(natSideOf(profile(initiator), []), natSideOf(profile(responder), [])),
  )
}

function written(chosen: Strategy | Hopeless): string {
  if (chosen.kind === 'none') return chosen.why
  return 'active' in chosen ? `${chosen.kind} by ${chosen.active}` : chosen.kind
}

describe('chooseStrategy()', () => {
  it('answers the table', () => {
    const table: readonly (readonly [string, string, string])[] = [
      ['EI/EI any', 'APD/APD any', 'punch'],
      ['EI/APD any', 'EI/APD any', 'punch'],
      ['EI/AD any', 'APD/APD any', 'punch'],
      ['APD/EI any', 'APD/AD any', 'punch'],
      ['EI/APD any', 'APD/APD step', 'predict by initiator'],
      ['EI/APD any', 'AD/APD keep', 'predict by initiator'],
      ['APD/APD step', 'AD/EI keep', 'predict-both'],
      ['EI/APD any', 'APD/APD any', 'birthday by initiator'],
      ['EI/APD any', 'AD/AD block', 'birthday by initiator'],
      ['AD/APD step', 'APD/APD any', 'birthday by initiator'],
      ['APD/APD any', 'AD/AD any', 'birthday by initiator'],
      ['AD/AD any', 'AD/AD few', 'birthday by initiator'],
      ['AD/AD few', 'AD/AD any', 'birthday by responder'],
      ['APD/APD block', 'APD/APD block', 'block-spray'],
      ['APD/APD block', 'AD/APD block', 'block-spray'],
      ['APD/APD block', 'APD/APD large', 'ports-unpredictable'],
      ['APD/APD any', 'APD/APD any', 'ports-unpredictable'],
      ['APD/APD step', 'APD/APD any', 'ports-unpredictable'],
      ['EI/APD any', 'APD/APD any pooled', 'address-pool'],
      ['EI/APD any pooled', 'APD/APD any', 'birthday by initiator'],
    ]
    for (const [initiator, responder, expected] of table) {
      assert.equal(choose(initiator, responder), expected, `${initiator} x ${responder}`)
    }
  })

  it('chooses the same for the two sides in the other order, but for who is active where both could be', () => {
    const sides = Object.keys(mappings).flatMap((mapping) =>
      Object.keys(mappings).flatMap((filtering) =>
        Object.keys(rules).map((rule) => `${mapping}/${filtering} ${rule}`),
      ),
    )
    for (const a of sides) {
      for (const b of sides) {
        const [there, back] = [choose(a, b), choose(b, a)]
        const mirrored = back.includes('initiator')
          ? back.replace('initiator', 'responder')
          : back.replace('responder', 'initiator')
        const isTie = there === back && there === 'birthday by initiator'
        assert.ok(there === mirrored || isTie, `${a} x ${b}: ${there}, back ${back}`)
      }
    }
  })

  it('takes the worst for what is not known', () => {
    const unknown: NatProfile = {
      mapping: 'unknown',
      filtering: 'unknown',
      ports: { kind: 'unknown' },
      isPooled: false,
    }
    const fixed = reflexive('198.51.100.1:5000')
    const moving = reflexive('198.51.100.1:5000', '198.51.100.1:5001')

    const [a, b] = [natSideOf(unknown, fixed), natSideOf(undefined, moving)]

    assert.deepEqual(chooseStrategy(a, b), { kind: 'birthday', active: 'initiator' })
    assert.equal(a.isCertain || b.isCertain, false)
  })

  it('believes a port mapping more than the NAT behind it', () => {
    const mapped: Candidate = { kind: 'mapped', endpoint: at('198.51.100.1', 40_000) }
    const hard = profile('APD/APD any')

    const chosen = chooseStrategy(natSideOf(hard, [mapped]), natSideOf(hard, []))

    assert.deepEqual(chosen, { kind: 'punch' })
  })
})

describe('attestedEndpoint()', () => {
  it('is a public reflexive IPv4 address, and nothing that only the peer vouches for', () => {
    const own: Candidate = { kind: 'host', endpoint: at('192.0.2.66', 53) }
    const inside: Candidate = { kind: 'server-reflexive', endpoint: at('192.168.1.1', 53) }
    const six: Candidate = { kind: 'server-reflexive', endpoint: at('2001:db8::1', 53) }
    const [attested] = reflexive('198.51.100.1:5000')

    assert.equal(attestedEndpoint([own, inside, six]), undefined)
    assert.ok(attested !== undefined)
    assert.deepEqual(attestedEndpoint([own, inside, six, attested]), at('198.51.100.1', 5000))
  })

  it('holds for any list', () => {
    const candidate = fc.record({
      kind: fc.constantFrom('host', 'mapped', 'server-reflexive'),
      port: fc.integer({ min: 1, max: 65_535 }),
    })
    fc.assert(
      fc.property(fc.array(candidate), (list) => {
        const candidates: readonly Candidate[] = list.map(({ kind, port }) => ({
          kind,
          endpoint: at('203.0.113.5', port),
        }))
        const found = attestedEndpoint(candidates)
        const isAttested = candidates.some(
          ({ kind, endpoint }) => kind === 'server-reflexive' && endpoint.port === found?.port,
        )
        assert.equal(
          found !== undefined,
          candidates.some((c) => c.kind === 'server-reflexive'),
        )
        assert.ok(found === undefined || isAttested)
      }),
    )
  })
})

function reflexive(...endpoints: readonly string[]): readonly Candidate[] {
  return endpoints.map((text) => {
    const [address = '', port] = text.split(':')
    return { kind: 'server-reflexive', endpoint: at(address, Number(port)) }
  })
}
