import assert from 'node:assert/strict'
import { utf8 } from '../../../src/core/bytes.ts'
import { normaliseHandle } from '../../../src/server/handle.ts'
import type { Account, ServerStore } from '../../../src/server/store/server-store.ts'
import { testDevice, verifierOf } from './test-device.ts'

export const ALICE = 10_001
export const BOB = 10_002
export const CAROL = 10_003

/** How many messages of Bob wait for Alice. */
export const WAITING = 20

/** Alice and Bob are buddies, Carol has asked Alice, Alice blocks nobody; Bob's mail and prekeys of Alice wait. */
export async function fillStore(store: ServerStore): Promise<void> {
  const [alice, bob, carol] = await Promise.all([
    account(store, 'alice'),
    account(store, 'bob'),
    account(store, 'carol'),
  ])
  for (const [number, name] of [
    [ALICE, 'alice'],
    [BOB, 'bob'],
  ] as const) {
    await store.recordDevice(number, testDevice(name).keys)
  }
  await store.changeRelation(alice, bob, () => ({ relation: 'accepted' }))
  await store.changeRelation(carol, alice, () => ({ relation: 'pending-out', note: 'me' }))
  const { keys, identity } = testDevice('alice')
  const key = keys.static
  const signed = { number: 1, key, signature: identity.sign(key) }
  await store.keys.publish(ALICE, keys, signed, [{ number: 2, key }])
  const first = await store.mail.reserve(1_000)
  for (let n = 0; n < WAITING; n++) {
    const outcome = await store.mail.append({
      owner: ALICE,
      seq: first + n,
      from: BOB,
      device: testDevice('bob').keys.identity,
      messageId: new Uint8Array(16).fill(n),
      body: utf8(`message ${n} ${'x'.repeat(500)}`),
    })
    assert.equal(outcome.kind, 'stored')
  }
}

async function account(store: ServerStore, name: string): Promise<Account> {
  const handle = normaliseHandle(name)
  assert.ok(handle !== undefined)
  const made = await store.createAccount({ handle, verifier: verifierOf(name), createdAtMs: 1 })
  assert.ok(made !== undefined)
  return made
}

/** All that `fillStore` has put there and a caller can ask for. */
export async function contentsOf(store: ServerStore): Promise<unknown> {
  const people = [ALICE, BOB, CAROL]
  return structuredClone({
    accounts: await Promise.all(people.map((number) => store.account(number))),
    devices: await Promise.all(people.map((number) => store.devices(number))),
    rosters: await Promise.all(people.map((number) => store.rosterSince(number))),
    prekeys: await store.keys.supply(ALICE),
    log: await store.keys.log(ALICE, 0, 100),
    mail: await store.mail.read(ALICE, 0, { messages: 100, bytes: 1_000_000 }),
  })
}
