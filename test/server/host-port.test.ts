import assert from 'node:assert/strict'
import { addressesOf, parseHostPort, resolveHostPort } from '../../src/server/host-port.ts'

describe('parseHostPort()', () => {
  it('reads names and addresses, with and without a port', () => {
    assert.deepEqual(parseHostPort('0.0.0.0:0', 7443), { host: '0.0.0.0', port: 0 })
    assert.deepEqual(parseHostPort('chat.example.org', 7443), {
      host: 'chat.example.org',
      port: 7443,
    })
    assert.deepEqual(parseHostPort('[::]:443', 7443), { host: '::', port: 443 })
    assert.deepEqual(parseHostPort('[2001:db8::1]', 7443), { host: '2001:db8::1', port: 7443 })
  })

  it('reads nothing else', () => {
    for (const text of ['', ':443', '::1', 'a:b', 'a:65536', 'a b:1', '[::1', 'a:1:2', '[a.b]:1']) {
      assert.equal(parseHostPort(text, 7443), undefined, text)
    }
  })
})

describe('resolveHostPort()', () => {
  it('takes literal addresses as they are and looks names up', async () => {
    assert.equal((await resolveHostPort({ host: '::', port: 1 })).address, '::')
    const { address } = await resolveHostPort({ host: 'localhost', port: 1 })
    assert.ok(['127.0.0.1', '::1'].includes(address), address)
    assert.deepEqual(await addressesOf('192.0.2.1'), ['192.0.2.1'])
  })
})
