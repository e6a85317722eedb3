import assert from 'node:assert/strict'
import { quantile } from '../../scripts/lab/quantile.ts'
import { type LabResult, type Met, renderReport } from '../../scripts/lab/report.ts'

const context = {
  command: 'npm run lab -- --report',
  date: '2026-11-28',
  machine: '2 cores',
  cores: 2,
}
const met: Met = {
  path: 'direct',
  relay: null,
  reason: 'direct',
  strategies: ['punch'],
  relayTripMs: 20,
  firstMessageMs: 30,
  directMs: 200,
}
const relayed: Met = {
  path: 'relay',
  relay: 'udp',
  reason: 'both-mappings-dependent',
  strategies: [],
  relayTripMs: 20,
  firstMessageMs: 45,
}

function render(...results: readonly LabResult[]): string {
  return renderReport(results, context)
}

describe('renderReport()', () => {
  it('puts both orders of a pair into one cell, with the rounds that were direct', () => {
    const page = render(
      { group: 'pairs', a: 'full cone', b: 'public', meeting: met },
      { group: 'pairs', a: 'public', b: 'full cone', meeting: { ...met, directMs: 400 } },
      { group: 'pairs', a: 'public', b: 'full cone', meeting: relayed },
    )

    assert.ok(page.includes('direct 30 / 200 (2/3)'), page)
    assert.equal(page.match(/\(2\/3\)/g)?.length, 1)
  })

  it('says of a pair that was never direct how fast the first message was', () => {
    const page = render({ group: 'pairs', a: 'x', b: 'y', meeting: relayed })

    assert.ok(page.includes('relay 45 (0/1)'), page)
  })

  it('tells p95 of a change, and whether it is what is wanted', () => {
    const change = { group: 'changes', name: 'reboot', withinMs: 3000 } as const

    const good = render({ ...change, againMs: 2000 }, { ...change, againMs: 3000 })
    const bad = render({ ...change, againMs: 2000 }, { ...change, againMs: 3001 })

    assert.ok(good.includes('| reboot | 2 | 2,000 | 3,000 | 3,000 | 3,000 met |'), good)
    assert.ok(bad.includes('3,000 **missed**'), bad)
  })

  it('says how busy the machine was, and that times of a busy one are not the programs’ own', () => {
    const measured = { group: 'privacy', name: 'a stranger', packets: 0 } as const
    const quiet = renderReport(
      [
        { ...measured, load: 1 },
        { ...measured, load: 3 },
      ],
      context,
    )
    const busy = renderReport(
      [
        { ...measured, load: 1 },
        { ...measured, load: 18 },
      ],
      context,
    )

    assert.ok(quiet.includes('(load, p50), 3.0 at most'), quiet)
    assert.ok(!quiet.includes('of the measurements'), quiet)
    assert.ok(busy.includes('**50 % of the measurements'), busy)
  })

  it('tells p50 and p95 of the first message beside a relay trip', () => {
    const first = [20, 30, 40].map(
      (relayTripMs) => ({ group: 'first', relayTripMs, firstMessageMs: relayTripMs + 15 }) as const,
    )
    const page = render(...first)

    assert.ok(page.includes('| relay trip | 30 | 40 | 40 |'), page)
    assert.ok(page.includes('| first message | 45 | 55 | 55 |'), page)
  })

  it('leaves out what was not measured', () => {
    const page = render({ group: 'privacy', name: 'a stranger', packets: 0 })

    assert.deepEqual(page.match(/^## .*$/gm), ['## What others get to see'])
  })
})

describe('quantile()', () => {
  it('is a value that was measured', () => {
    assert.equal(quantile([3, 1, 2], 0.5), 2)
    assert.equal(quantile([1, 2], 0.5), 1)
    assert.equal(
      quantile(
        Array.from({ length: 20 }, (_, index) => index),
        0.95,
      ),
      18,
    )
    assert.ok(Number.isNaN(quantile([], 0.5)))
  })
})
