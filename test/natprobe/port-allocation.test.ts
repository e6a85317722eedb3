import assert from 'node:assert/strict'
import { integerBetween } from '../../src/core/random.ts'
import { fitAllocation, type PortSample } from '../../src/natprobe/port-allocation.ts'
import { PortAllocator, type PortAllocation } from '../sim/port-allocator.ts'
import { SeededRandom } from '../sim/seeded-random.ts'

interface Disturbances {
  /** Chance that a foreign flow takes a port in between. */
  readonly foreign?: number
  readonly count?: number
}

/** What sixteen sockets on random local ports get from an allocator of the simulated world. */
function samplesFrom(
  allocation: PortAllocation,
  seed: number,
  { foreign = 0, count = 16 }: Disturbances = {},
): readonly PortSample[] {
  const random = new SeededRandom(seed)
  const allocator = new PortAllocator(allocation, random)
  const taken = new Set<number>()
  const allocate = (insidePort: number): number => {
    const insideAddress = '192.168.1.5'
    const port = allocator.allocate({ insideAddress, insidePort, isFree: (p) => !taken.has(p) })
    assert.ok(port !== undefined)
    taken.add(port)
    return port
  }
  return Array.from({ length: count }, () => {
    if (integerBetween(random, 1, 100) <= 100 * foreign) {
      allocate(integerBetween(random, 32_768, 60_999))
    }
    const local = integerBetween(random, 32_768, 60_999)
    return { local, mapped: allocate(local) }
  })
}

function shareOf(
  kind: string,
  allocation: PortAllocation,
  disturbances: Disturbances = {},
): number {
  const runs = 200
  let right = 0
  for (let seed = 1; seed <= runs; seed++) {
    const fitted = fitAllocation(samplesFrom(allocation, seed, disturbances))
    if (fitted.value.kind === kind) right += 1
  }
  return right / runs
}

describe('fitAllocation()', () => {
  it('knows a NAT that keeps ports', () => {
    const fitted = fitAllocation(samplesFrom({ kind: 'preserve' }, 1))

    assert.deepEqual(fitted, { value: { kind: 'preserve' }, confidence: 0.99 })
  })

  it('knows steps of any size and direction', () => {
    for (const step of [1, 2, 7, -1, -4]) {
      const fitted = fitAllocation(samplesFrom({ kind: 'sequential', step }, 1))

      assert.deepEqual(fitted, { value: { kind: 'step', step }, confidence: 0.99 })
    }
  })

  it('knows a step through foreign traffic and through the wrap from the highest port to the lowest', () => {
    assert.ok(shareOf('step', { kind: 'sequential', step: 1 }, { foreign: 0.3 }) >= 0.99)
    assert.ok(shareOf('step', { kind: 'sequential', step: 1, first: 65_530 }) >= 0.99)
  })

  it('tells random, parity and blocks apart in 200 worlds', () => {
    assert.ok(shareOf('random', { kind: 'random' }) >= 0.99)
    assert.ok(shareOf('random', { kind: 'random', low: 32_768 }) >= 0.98)
    assert.ok(shareOf('parity', { kind: 'parity' }) >= 0.99)
    assert.ok(shareOf('block', { kind: 'block', size: 512 }) >= 0.98)
  })

  it('takes fifteen matches of sixteen for chance, and sixteen or eight of eight for parity', () => {
    const kept = samplesFrom({ kind: 'parity' }, 1)
    const broken = kept.map((sample, index) =>
      index === 5 ? { ...sample, mapped: sample.mapped ^ 1 } : sample,
    )

    assert.equal(fitAllocation(kept).value.kind, 'parity')
    assert.equal(fitAllocation(kept.slice(0, 8)).value.kind, 'parity')
    assert.equal(fitAllocation(broken).value.kind, 'random')
  })

  it('estimates the size of a block and the range of random ports', () => {
    const sizes = Array.from({ length: 100 }, (_, seed) => {
      const { value } = fitAllocation(samplesFrom({ kind: 'block', size: 512 }, seed))
      return value.kind === 'block' ? value.blockSize : 0
    })
    const { value } = fitAllocation(samplesFrom({ kind: 'random' }, 3))

    assert.ok(sizes.filter((size) => size === 512).length >= 90)
    assert.deepEqual(value, { kind: 'random', low: 1024, high: 65_535 })
  })

  it('says unknown with fewer than eight samples', () => {
    assert.deepEqual(fitAllocation(samplesFrom({ kind: 'preserve' }, 1, { count: 7 })), {
      value: { kind: 'unknown' },
      confidence: 0,
    })
  })
})
