import assert from 'node:assert/strict'
import { parseEndpoint, type Endpoint } from '../../src/core/endpoint.ts'
import { judgeMapping, type Observation } from '../../src/natprobe/mapping-judgement.ts'

function at(text: string): Endpoint {
  const result = parseEndpoint(text)
  if (!result.ok) throw new Error(result.why)
  return result.value
}

const LOCAL_PORT = 40_000

/** `judge({ 'server endpoint': 'mapped endpoint', … })`; the first server is the one with two addresses if `isFull`. */
function judge(seen: Readonly<Record<string, string>>, isFull = false): string {
  const servers = Object.keys(seen)
  const first = at(servers[0] ?? '')
  const observed = Object.entries(seen).map(([to, mapped]): Observation => ({
    to: at(to),
    server: isFull ? first : at(to),
    mapped: at(mapped),
  }))
  const isOwn = ({ address }: Endpoint): boolean => address === '192.168.1.5'
  const full = isFull ? first : undefined
  const { value, confidence } = judgeMapping(observed, { localPort: LOCAL_PORT, isOwn, full })
  return value === 'unknown' ? value : `${value} ${confidence}`
}

const full = ['1.1.1.1:1', '2.2.2.2:1', '2.2.2.2:2', '1.1.1.1:2'] as const

function judgeFull(...ports: readonly number[]): string {
  const seen = ports.map((port, index) => [full[index] ?? '', `9.9.9.9:${port}`] as const)
  return judge(Object.fromEntries(seen), true)
}

describe('judgeMapping()', () => {
  it('judges a server with two addresses and two ports as RFC 5780 §4.3 does', () => {
    assert.equal(judgeFull(1, 1, 1, 1), 'endpoint-independent 0.99')
    assert.equal(judgeFull(1, 2, 2, 1), 'address-dependent 0.99')
    assert.equal(judgeFull(1, 2, 3, 4), 'address-and-port-dependent 0.99')
    assert.equal(judgeFull(1, 2, 3, 1), 'address-and-port-dependent 0.99')
  })

  it('makes do with three of the four, and says unknown of two that differ', () => {
    assert.equal(judgeFull(1, 1, 1), 'endpoint-independent 0.99')
    assert.equal(judgeFull(1, 2, 2), 'address-dependent 0.9')
    assert.equal(judgeFull(1, 2, 3), 'address-and-port-dependent 0.99')
    assert.equal(judgeFull(1, 2), 'unknown')
  })

  it('is less sure of a NAT that keeps ports', () => {
    assert.equal(judgeFull(LOCAL_PORT, LOCAL_PORT, LOCAL_PORT), 'endpoint-independent 0.8')
  })

  it('finds no NAT where all servers see our own address', () => {
    assert.equal(judge({ '1.1.1.1:1': '192.168.1.5:40000' }), 'none 0.99')
  })

  it('never says more than one address with two ports shows', () => {
    assert.equal(judge({ '1.1.1.1:1': '9.9.9.9:1', '1.1.1.1:2': '9.9.9.9:1' }), 'eim-or-adm 0.9')
    assert.equal(
      judge({ '1.1.1.1:1': '9.9.9.9:1', '1.1.1.1:2': '9.9.9.9:2' }),
      'address-and-port-dependent 0.99',
    )
    assert.equal(judge({ '1.1.1.1:1': '9.9.9.9:1' }), 'unknown')
  })

  it('needs three plain servers that agree', () => {
    const two = { '1.1.1.1:1': '9.9.9.9:1', '2.2.2.2:1': '9.9.9.9:1' }

    assert.equal(judge(two), 'unknown')
    assert.equal(judge({ ...two, '3.3.3.3:1': '9.9.9.9:1' }), 'endpoint-independent 0.9')
  })

  it('finds dependence with plain servers, and its kind where one answers on two ports', () => {
    const two = { '1.1.1.1:1': '9.9.9.9:1', '2.2.2.2:1': '9.9.9.9:2' }

    assert.equal(judge(two), 'address-and-port-dependent 0.6')
    assert.equal(judge({ ...two, '2.2.2.2:2': '9.9.9.9:2' }), 'address-dependent 0.9')
    assert.equal(judge({ ...two, '2.2.2.2:2': '9.9.9.9:3' }), 'address-and-port-dependent 0.99')
  })

  it('leaves out the plain server that contradicts all others, and those inside the NAT', () => {
    const agreeing = {
      '1.1.1.1:1': '9.9.9.9:1',
      '2.2.2.2:1': '9.9.9.9:1',
      '3.3.3.3:1': '9.9.9.9:1',
    }

    assert.equal(judge({ ...agreeing, '4.4.4.4:1': '8.8.8.8:1' }), 'endpoint-independent 0.9')
    assert.equal(judge({ ...agreeing, '10.0.0.1:1': '10.0.0.9:5' }), 'endpoint-independent 0.9')
  })

  it('says unknown when nobody answered', () => {
    assert.equal(judge({ '1.1.1.1:1': '9.9.9.9:1' }, true), 'unknown')
    assert.equal(
      judgeMapping([], { localPort: 1, isOwn: () => false, full: undefined }).value,
      'unknown',
    )
  })
})
