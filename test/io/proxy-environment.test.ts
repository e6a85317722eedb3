import assert from 'node:assert/strict'
import { type Environment, proxyFor } from '../../src/io/proxy-environment.ts'

const PROXY = { https_proxy: 'http://proxy.example:3128' }

function kind(environment: Environment, host = 'chat.example.org', port = 7443): string {
  return proxyFor(environment, host, port).kind
}

describe('proxyFor()', () => {
  it('takes https_proxy before all_proxy, and small letters before capitals', () => {
    const environment = {
      ALL_PROXY: 'http://all:1',
      HTTPS_PROXY: 'http://capital:2',
      https_proxy: 'http://small:3',
    }

    assert.deepEqual(proxyFor(environment, 'chat.example.org', 7443), {
      kind: 'proxy',
      proxy: { host: 'small', port: 3 },
    })
    assert.deepEqual(proxyFor({ ALL_PROXY: 'all:80' }, 'chat.example.org', 7443), {
      kind: 'proxy',
      proxy: { host: 'all', port: 80 },
    })
    assert.equal(kind({}), 'direct')
    assert.equal(kind({ https_proxy: '  ' }), 'direct')
  })

  it('reads credentials and IPv6 literals', () => {
    const choice = proxyFor({ https_proxy: 'http://al%40ice:p%3Aw@[2001:db8::1]:8080/' }, 'x', 1)

    assert.deepEqual(choice, {
      kind: 'proxy',
      proxy: {
        host: '2001:db8::1',
        port: 8080,
        authorization: `Basic ${Buffer.from('al@ice:p:w').toString('base64')}`,
      },
    })
  })

  it('heeds no_proxy as curl does', () => {
    const excepted = [
      '*',
      'chat.example.org',
      'example.org',
      '.example.org',
      '*.example.org',
      'EXAMPLE.ORG',
      'foo,example.org:7443 bar',
    ]
    const others = ['example.com', 'ample.org', 'example.org:443', 'org.', '10.0.0.0/8', '/', '']

    for (const no_proxy of excepted) assert.equal(kind({ ...PROXY, no_proxy }), 'direct', no_proxy)
    for (const no_proxy of others) assert.equal(kind({ ...PROXY, no_proxy }), 'proxy', no_proxy)
    for (const [NO_PROXY, host, expected] of [
      ['192.0.2.0/24', '192.0.2.77', 'direct'],
      ['192.0.2.0/24', '192.0.3.77', 'proxy'],
      ['2001:db8::/32', '2001:db8:1::1', 'direct'],
      ['2001:db8::1', '2001:db8::1', 'direct'],
      ['192.0.2.0/99', '192.0.2.77', 'proxy'],
      ['2.77', '192.0.2.77', 'proxy'],
    ] as const) {
      assert.equal(kind({ ...PROXY, NO_PROXY }, host), expected, `${NO_PROXY} ${host}`)
    }
  })

  it('never takes a proxy to this machine itself', () => {
    for (const host of ['localhost', '127.0.0.1', '127.9.9.9', '::1']) {
      assert.equal(kind(PROXY, host), 'direct')
    }
  })

  it('does not go without a proxy that it cannot use', () => {
    for (const https_proxy of [
      'socks5://127.0.0.1:9050',
      'https://proxy:443',
      'http://',
      '::',
      'http://%zz@proxy:1',
    ]) {
      assert.equal(kind({ https_proxy }), 'unusable', https_proxy)
    }
  })
})
