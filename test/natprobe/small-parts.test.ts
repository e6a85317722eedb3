import assert from 'node:assert/strict'
import { instant } from '../../src/core/instant.ts'
import { isCredibleOther, scopeOf } from '../../src/natprobe/address-scope.ts'
import { summarised } from '../../src/natprobe/latency-probe.ts'
import { Pacer } from '../../src/natprobe/pacer.ts'
import { Progress } from '../../src/natprobe/progress.ts'
import { literal } from './probe-world.ts'

describe('scopeOf()', () => {
  it('tells public addresses from the others', () => {
    const scopes: Readonly<Record<string, string>> = {
      '203.0.113.1': 'public',
      '10.1.2.3': 'private',
      '172.15.0.1': 'public',
      '172.16.0.1': 'private',
      '172.31.255.255': 'private',
      '192.168.0.1': 'private',
      '100.63.0.1': 'public',
      '100.64.0.1': 'carrier',
      '127.0.0.2': 'loopback',
      '169.254.1.1': 'link-local',
      '0.0.0.0': 'unspecified',
      '2001:db8::1': 'public',
      'fd00::1': 'private',
      'fe80::1': 'link-local',
      '::1': 'loopback',
      '::': 'unspecified',
    }
    for (const [address, scope] of Object.entries(scopes)) {
      assert.equal(scopeOf(literal(address, 1)), scope, address)
    }
  })
})

describe('isCredibleOther()', () => {
  const server = literal('203.0.113.1', 3478)

  it('wants another address of the same family', () => {
    assert.equal(isCredibleOther(server, literal('203.0.113.2', 3479)), true)
    assert.equal(isCredibleOther(server, literal('203.0.113.1', 3479)), false)
    assert.equal(isCredibleOther(server, literal('2001:db8::2', 3479)), false)
  })

  it('does not believe a public server that names an inner address; in a lab all are inner', () => {
    assert.equal(isCredibleOther(server, literal('10.0.0.2', 3479)), false)
    assert.equal(isCredibleOther(server, literal('0.0.0.0', 3479)), false)
    assert.equal(isCredibleOther(literal('10.0.0.1', 1), literal('10.0.0.2', 2)), true)
    assert.equal(isCredibleOther(literal('127.0.0.1', 1), literal('127.0.0.2', 2)), true)
  })
})

describe('Pacer', () => {
  it('starts ten in any second, at least 20 ms apart, for each server by itself', () => {
    const pacer = new Pacer()
    const [a, b] = [literal('203.0.113.1', 1), literal('203.0.113.2', 1)]
    const starts: number[] = []
    for (let now = 0; now <= 2500; now++) {
      if (!pacer.isFree(instant(now), a)) continue
      pacer.noteStart(instant(now), a)
      starts.push(now)
    }

    assert.deepEqual(starts.slice(0, 12), [0, 20, 40, 60, 80, 100, 120, 140, 160, 180, 1000, 1020])
    assert.equal(pacer.freeAt(b), undefined)
    for (const [index, start] of starts.entries()) {
      assert.ok(start - (starts[index - 10] ?? -Infinity) >= 1000)
    }
  })
})

describe('summarised()', () => {
  it('gives median, 99th percentile, jitter between neighbours and loss', () => {
    const samples = [10, 12, undefined, 10, 14]

    assert.deepEqual(summarised(samples), {
      rttMs: { p50: 10, p99: 14 },
      jitterMs: 2.7,
      lossRatio: 0.19999999999999996,
    })
  })

  it('says nothing of round trips where nothing came back', () => {
    assert.deepEqual(summarised([undefined]), {
      rttMs: undefined,
      jitterMs: undefined,
      lossRatio: 1,
    })
  })
})

describe('Progress', () => {
  it('names the tests that run and the time that is left', () => {
    const progress = new Progress('full', 'off')
    assert.equal(progress.line(0), 'testing sockets: about 6 s left')

    progress.note({ kind: 'test-started', test: 'filtering' })
    progress.note({ kind: 'test-started', test: 'latency' })
    assert.equal(progress.line(2000), 'testing filtering, latency: about 4 s left')

    progress.note({ kind: 'test-finished', test: 'filtering' })
    assert.equal(progress.line(6000), 'testing latency: waiting for late answers')
  })

  it('counts on the lifetimes once their test has begun', () => {
    const progress = new Progress('full', 'quick')
    assert.match(progress.line(0), /about 6 s left/)

    progress.note({ kind: 'test-started', test: 'lifetime' })
    assert.equal(progress.line(500), 'testing lifetime: about 69 s left')
  })
})
