import assert from 'node:assert/strict'
import { instant } from '../../src/core/instant.ts'
import { PrefixBuckets, prefixOf, SharedBucket } from '../../src/stun/prefix-buckets.ts'
import { ipv4, ipv6 } from './endpoints.ts'

describe('prefixOf()', () => {
  it('takes /24 of IPv4 and /56 of IPv6, however the address is abbreviated', () => {
    assert.equal(prefixOf(ipv4('192.0.2.255', 1)), '192.0.2')
    assert.equal(prefixOf(ipv6('2001:db8:0:12ff:1:2:3:4', 1)), '20010db8000012')
    assert.equal(prefixOf(ipv6('2001:db8:0:1234::', 1)), '20010db8000012')
    assert.equal(prefixOf(ipv6('2001:db8::12', 1)), '20010db8000000')
    assert.equal(prefixOf(ipv6('::1', 1)), '00000000000000')
  })
})

describe('PrefixBuckets', () => {
  it('gives a burst, then a rate', () => {
    const buckets = new PrefixBuckets({ perSecond: 2, burst: 2 })
    const take = (now: number): boolean => buckets.take(instant(now), ipv4('192.0.2.1', 1))

    assert.deepEqual([take(0), take(0), take(0)], [true, true, false])
    assert.deepEqual([take(400), take(500), take(500)], [false, true, false])
  })

  it('is bounded: the network that was quiet longest goes first', () => {
    const buckets = new PrefixBuckets({ perSecond: 0, burst: 1 }, { maxPrefixes: 2 })
    const take = (third: number): boolean => buckets.take(instant(0), ipv4(`192.0.${third}.1`, 1))

    assert.deepEqual([take(1), take(2), take(1), take(3)], [true, true, false, true])
    assert.equal(buckets.size, 2)
    assert.deepEqual([take(1), take(2)], [false, true])
  })
})

describe('SharedBucket', () => {
  it('is one for all', () => {
    const bucket = new SharedBucket({ perSecond: 1, burst: 1 })

    assert.deepEqual(
      [0, 0, 999, 1000].map((now) => bucket.take(instant(now))),
      [true, false, false, true],
    )
  })
})
