import assert from 'node:assert/strict'
import { signedPrekeyStatement } from '../../src/crypto/device-statement.ts'
import { sha256 } from '../../src/crypto/hash.ts'
import { identityFromSeed } from '../../src/crypto/identity.ts'
import { utf8 } from '../../src/core/bytes.ts'
import type { SignedPrekey } from '../../src/protocol/server/messages.ts'
import type { TestClient } from './support/test-client.ts'
import { testDevice } from './support/test-device.ts'
import { TestServer } from './support/test-server.ts'

const key = new Uint8Array(32).fill(9)

function signedBy(name: string): SignedPrekey {
  const identity = identityFromSeed(sha256(utf8(`identity of ${name}`)))
  assert.deepEqual(Buffer.from(identity.publicKey), testDevice(name).keys.identity)
  return { number: 1, key, signature: identity.sign(signedPrekeyStatement(1, key)) }
}

describe('KeyDesk', () => {
  let server: TestServer
  let alice: TestClient
  let bob: TestClient
  let numbers: readonly number[]

  beforeEach(async () => {
    server = await TestServer.start()
    numbers = await server.accounts('alice', 'bob', 'carol')
    await server.befriend(10_001, 10_002)
    alice = await server.online('alice')
    bob = await server.online('bob')
  })

  async function publish(client: TestClient, name: string, count: number): Promise<void> {
    const oneTime = Array.from({ length: count }, (_, n) => ({ number: n + 2, key }))
    await client.askOk({ kind: 'publish-keys', signed: signedBy(name), oneTime })
  }

  async function take(client: TestClient, id: number, of: number, count = 8): Promise<number> {
    await client.say({ kind: 'take-keys', id, of, count })
    return client.last('keys').oneTime.length
  }

  it('says what is left at the login', async () => {
    assert.deepEqual(bob.last('keys-left'), { kind: 'keys-left', oneTime: 0 })
    await publish(bob, 'bob', 12)
    bob.end.hangUp()

    const again = await server.online('bob')
    const elsewhere = await server.online('bob', { device: testDevice('another device') })

    assert.deepEqual(again.last('keys-left'), { kind: 'keys-left', oneTime: 12, signed: 1 })
    assert.deepEqual(elsewhere.last('keys-left'), { kind: 'keys-left', oneTime: 0 })
  })

  it('gives a buddy keys, and tells their owner when few are left', async () => {
    await publish(bob, 'bob', 12)
    bob.forget()

    assert.equal(await take(alice, 100, 10_002, 2), 2)
    assert.equal(bob.find('keys-left'), undefined)
    assert.equal(await take(alice, 101, 10_002, 2), 2)

    assert.deepEqual(bob.last('keys-left'), { kind: 'keys-left', oneTime: 8, signed: 1 })
    assert.deepEqual(alice.last('keys').device, testDevice('bob').keys)
  })

  it('gives strangers none, whoever they ask for', async () => {
    const carol = await server.online('carol')
    for (const of of [...numbers, 99_999]) {
      const answer = await carol.ask({ kind: 'take-keys', of, count: 1 })
      assert.equal(answer.kind === 'error' && answer.code, 'not-buddies')
    }
    const log = await carol.ask({ kind: 'key-log', of: 10_001, after: 0 })
    assert.equal(log.kind === 'error' && log.code, 'not-buddies')
  })

  it('gives 32 one-time keys to one buddy, then one a minute, and the signed one always', async () => {
    await publish(bob, 'bob', 50)
    let taken = 0
    for (let id = 1; id <= 6; id++) taken += await take(alice, 100 + id, 10_002)
    assert.equal(taken, 32)

    await server.time.pass(40_000)
    await alice.say({ kind: 'ping', id: 150 })
    await server.time.pass(20_000)

    assert.equal(await take(alice, 200, 10_002), 1)
  })

  it('takes no prekey that the device has not signed', async () => {
    const answer = await bob.ask({ kind: 'publish-keys', signed: signedBy('alice'), oneTime: [] })

    assert.equal(answer.kind === 'error' && answer.code, 'malformed')
  })

  it('shows the log of a buddy’s devices', async () => {
    await alice.say({ kind: 'key-log', id: 100, of: 10_002, after: 0 })

    const { entries, isLast } = alice.last('logged-keys')
    assert.deepEqual([entries.length, isLast], [1, true])
    assert.deepEqual(entries[0]?.device, testDevice('bob').keys)
  })
})
