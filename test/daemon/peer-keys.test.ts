import assert from 'node:assert/strict'
import { describe, it } from 'mocha'
import { fromHex, toHex } from '../../src/core/bytes.ts'
import { staticKeyStatement } from '../../src/crypto/device-statement.ts'
import { type Identity, identityFromSeed } from '../../src/crypto/identity.ts'
import { type StaticKey, staticKeyFromSeed } from '../../src/crypto/static-key.ts'
import {
  connectionRole,
  firstConnectionId,
  handshakePayload,
  isConsistentDevice,
  isIntroducedDevice,
  sessionPrologue,
  sharedProbeKey,
} from '../../src/daemon/peer-keys.ts'
import type { DeviceKeys } from '../../src/protocol/server/messages.ts'

const seed = (fill: number): Uint8Array => new Uint8Array(32).fill(fill)
const session = fromHex('000102030405060708090a0b0c0d0e0f')

function deviceOf(identity: Identity, staticKey: StaticKey): DeviceKeys {
  return {
    identity: identity.publicKey,
    static: staticKey.publicKey,
    staticSignature: identity.sign(staticKeyStatement(staticKey.publicKey)),
  }
}

describe('sessionPrologue() and firstConnectionId()', () => {
  it('are the same on both sides, and lay out as documented', () => {
    assert.deepEqual(
      sessionPrologue(session, 10_002, 10_001),
      sessionPrologue(session, 10_001, 10_002),
    )
    assert.equal(
      toHex(sessionPrologue(session, 10_002, 10_001)),
      '686f6c6c65722f31' +
        '000102030405060708090a0b0c0d0e0f' +
        '0000000000002711' +
        '0000000000002712',
    )
    assert.equal(toHex(firstConnectionId(session)), 'be45cb2605bf36be')
    assert.equal(connectionRole(10_001, 10_002), 'initiator')
    assert.equal(connectionRole(10_002, 10_001), 'responder')
  })
})

describe('sharedProbeKey()', () => {
  it('is the same on both sides, another in another session, and none for an unusable half', () => {
    const [a, b] = [staticKeyFromSeed(seed(1)), staticKeyFromSeed(seed(2))]
    const ours = sharedProbeKey(a, b.publicKey, session)

    assert.equal(ours?.length, 32)
    assert.deepEqual(sharedProbeKey(b, a.publicKey, session), ours)
    assert.notDeepEqual(sharedProbeKey(b, a.publicKey, seed(3).subarray(16)), ours)
    assert.equal(sharedProbeKey(a, new Uint8Array(32), session), undefined)
    assert.equal(sharedProbeKey(a, new Uint8Array(5), session), undefined)
  })
})

describe('isConsistentDevice() and isIntroducedDevice()', () => {
  const identity = identityFromSeed(seed(1))
  const staticKey = staticKeyFromSeed(seed(2))
  const device = deviceOf(identity, staticKey)
  const payload = handshakePayload(device)

  it('accept the device itself', () => {
    assert.equal(isConsistentDevice(device), true)
    assert.equal(isIntroducedDevice(device, staticKey.publicKey, payload), true)
  })

  it('refuse another identity, another static key, and a signature that does not fit', () => {
    const other = identityFromSeed(seed(3))
    const otherStatic = staticKeyFromSeed(seed(4))
    const forged = Uint8Array.from(payload)
    forged[40] = (forged[40] ?? 0) ^ 1

    assert.equal(isConsistentDevice({ ...device, identity: other.publicKey }), false)
    assert.equal(isConsistentDevice({ ...device, static: otherStatic.publicKey }), false)
    assert.equal(isConsistentDevice({ ...device, static: new Uint8Array(0) }), false)
    const { publicKey } = staticKey
    assert.equal(isIntroducedDevice(device, publicKey, forged), false)
    assert.equal(isIntroducedDevice(device, publicKey, payload.subarray(1)), false)
    const ofOther = handshakePayload(deviceOf(other, staticKey))
    assert.equal(isIntroducedDevice(device, publicKey, ofOther), false)
    const rotated = handshakePayload(deviceOf(identity, otherStatic))
    assert.equal(isIntroducedDevice(device, otherStatic.publicKey, rotated), false)
    assert.equal(isIntroducedDevice(device, otherStatic.publicKey, payload), false)
  })
})
