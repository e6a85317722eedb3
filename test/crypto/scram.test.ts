import assert from 'node:assert/strict'
import { hmac } from '@noble/hashes/hmac.js'
import { pbkdf2 } from '@noble/hashes/pbkdf2.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { describe, it } from 'mocha'
import fc from 'fast-check'
import { fromBase64, toBase64, toHex, utf8 } from '../../src/core/bytes.ts'
import type { Decoded } from '../../src/core/decoded.ts'
import { DEFAULT_HASHING } from '../../src/crypto/password-hashing.ts'
import {
  clientProof,
  fakeVerifier,
  joinAuthMessage,
  makeVerifier,
  type PasswordVerifier,
  readClientFirst,
  ScramClient,
  ScramServer,
  serverSignature,
} from '../../src/crypto/scram.ts'

const exporter = new Uint8Array(32).fill(0x5a)
const salt = new Uint8Array(16).fill(7)
const salted = new Uint8Array(32).fill(9) // what argon2id would have made of the password
const verifier = makeVerifier(salted, salt, DEFAULT_HASHING)
const clientNonce = 'rOprNGfwEbeRWgbNEkqO'
const serverNonce = '%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0'
const bothNonces = clientNonce + serverNonce
const gs2 = 'p=tls-exporter,,'

function valueOf<T>(result: Decoded<T>): T {
  assert.ok(result.ok, result.ok ? '' : result.why)
  return result.value
}

interface Login {
  readonly client: ScramClient
  readonly server: ScramServer
}

function login(
  change: {
    readonly user?: string
    readonly serverExporter?: Uint8Array
    readonly verifier?: PasswordVerifier
  } = {},
): Login {
  const client = new ScramClient({ user: change.user ?? 'alice', exporter, nonce: clientNonce })
  const server = new ScramServer({
    clientFirst: client.clientFirst,
    verifier: change.verifier ?? verifier,
    serverNonce,
    exporter: change.serverExporter ?? exporter,
  })
  return { client, server }
}

describe('SCRAM arithmetic', () => {
  it('computes proof and signature of RFC 7677 §3', () => {
    // That example is PBKDF2's and without channel binding: the formulas are the same.
    const rfcSalt = fromBase64('W22ZaJ0SNY7soEsUEjb6gQ==') ?? salt
    const rfcSalted = pbkdf2(sha256, utf8('pencil'), rfcSalt, { c: 4096, dkLen: 32 })
    const authMessage = joinAuthMessage(
      'n=user,r=rOprNGfwEbeRWgbNEkqO',
      'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096',
      'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0',
    )

    const { serverKey } = makeVerifier(rfcSalted, rfcSalt, DEFAULT_HASHING)
    assert.equal(
      toBase64(clientProof(rfcSalted, authMessage)),
      'dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=',
    )
    assert.equal(
      toBase64(serverSignature(serverKey, authMessage)),
      '6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=',
    )
  })
})

describe('ScramClient and ScramServer', () => {
  it('say exactly this', () => {
    const { client, server } = login()
    assert.equal(client.clientFirst, `${gs2}n=alice,r=${clientNonce}`)
    assert.deepEqual(valueOf(readClientFirst(client.clientFirst)), {
      user: 'alice',
      nonce: clientNonce,
    })
    assert.equal(server.serverFirst, `r=${bothNonces},s=${toBase64(salt)},i=2,k=argon2id:19456:1`)

    const asked = valueOf(client.readServerFirst(server.serverFirst))
    const clientFinal = client.clientFinal(salted)
    const { serverFinal } = valueOf(server.verifyClientFinal(clientFinal))

    assert.deepEqual(asked.hashing, DEFAULT_HASHING)
    assert.equal(toHex(asked.salt), toHex(salt))
    const binding = toBase64(Uint8Array.from([...utf8(gs2), ...exporter]))
    const withoutProof = `c=${binding},r=${bothNonces}`
    const authMessage = utf8(`n=alice,r=${clientNonce},${server.serverFirst},${withoutProof}`)
    const mac = (key: Uint8Array, text: Uint8Array): Uint8Array => hmac(sha256, key, text)
    const clientKey = mac(salted, utf8('Client Key'))
    const signature = mac(sha256(clientKey), Uint8Array.from(authMessage))
    const proof = clientKey.map((byte, index) => byte ^ (signature[index] ?? 0))
    assert.equal(clientFinal, `${withoutProof},p=${toBase64(proof)}`)
    const serverKey = mac(salted, utf8('Server Key'))
    assert.equal(serverFinal, `v=${toBase64(mac(serverKey, Uint8Array.from(authMessage)))}`)
    assert.equal(client.verifyServerFinal(serverFinal), true)
  })

  it('fail with a wrong password, and the client does not take a guessed signature', () => {
    const { client, server } = login()
    valueOf(client.readServerFirst(server.serverFirst))
    const wrong = client.clientFinal(new Uint8Array(32).fill(8))

    assert.equal(server.verifyClientFinal(wrong).ok, false)
    assert.equal(client.verifyServerFinal(`v=${toBase64(new Uint8Array(32))}`), false)
    assert.equal(client.verifyServerFinal('e=invalid-proof'), false)
    assert.equal(client.verifyServerFinal('v='), false)
    assert.equal(client.verifyServerFinal(''), false)
  })

  it('fail between two TLS sessions, though the password is right', () => {
    const { client, server } = login({ serverExporter: new Uint8Array(32).fill(0x5b) })
    valueOf(client.readServerFirst(server.serverFirst))

    assert.equal(server.verifyClientFinal(client.clientFinal(salted)).ok, false)
  })

  it('fail when any character of the final message is changed', () => {
    const { client, server } = login()
    valueOf(client.readServerFirst(server.serverFirst))
    const final = client.clientFinal(salted)

    for (let at = 0; at < final.length; at++) {
      const other = final[at] === 'A' ? 'B' : 'A'
      const forged = final.slice(0, at) + other + final.slice(at + 1)
      assert.equal(server.verifyClientFinal(forged).ok, false, forged)
    }
    assert.ok(server.verifyClientFinal(final).ok)
  })

  it('carry any name, with the comma and the equals sign escaped', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, maxLength: 60 }), (user) => {
        const { client, server } = login({ user })
        valueOf(client.readServerFirst(server.serverFirst))

        assert.equal(valueOf(readClientFirst(client.clientFirst)).user, user)
        assert.ok(server.verifyClientFinal(client.clientFinal(salted)).ok)
      }),
    )
  })

  it('never throw on any text from the other side', () => {
    const { client, server } = login()
    const anyText = fc.oneof(
      fc.string({ maxLength: 100 }),
      fc.string({ maxLength: 40 }).map((text) => `${gs2}n=${text},r=${clientNonce}`),
      fc.string({ maxLength: 40 }).map((text) => `r=${bothNonces},s=${text},i=2,k=argon2id:1:1`),
    )
    fc.assert(
      fc.property(anyText, (text) => {
        readClientFirst(text)
        assert.equal(client.readServerFirst(text).ok, false)
        assert.equal(server.verifyClientFinal(text).ok, false)
      }),
    )
  })

  it('throw at steps out of order and at unfit nonces: those are bugs of ours', () => {
    const client = new ScramClient({ user: 'alice', exporter, nonce: clientNonce })

    assert.throws(() => client.clientFinal(salted))
    assert.throws(() => client.verifyServerFinal('v='))
    assert.throws(() => new ScramClient({ user: 'alice', exporter, nonce: 'a,b' }), TypeError)
    assert.throws(
      () => new ScramServer({ clientFirst: 'n,,n=a,r=b', verifier, serverNonce, exporter }),
      TypeError,
    )
  })
})

describe('readServerFirst()', () => {
  const read = (text: string): boolean =>
    new ScramClient({ user: 'alice', exporter, nonce: clientNonce }).readServerFirst(text).ok
  const from = (change: Readonly<Record<string, string>>): string =>
    [
      `r=${change['r'] ?? bothNonces}`,
      `s=${change['s'] ?? toBase64(salt)}`,
      `i=${change['i'] ?? '2'}`,
      `k=${change['k'] ?? 'argon2id:19456:1'}`,
    ].join(',')

  it('takes the right one, with unknown optional extensions after it', () => {
    assert.equal(read(from({})), true)
    assert.equal(read(`${from({})},x=later`), true)
  })

  it('refuses hashing that is too weak, too dear, or not argon2id', () => {
    assert.equal(read(from({ i: '1' })), false)
    assert.equal(read(from({ i: '17' })), false)
    assert.equal(read(from({ k: 'argon2id:19455:1' })), false)
    assert.equal(read(from({ k: 'argon2id:262145:1' })), false)
    assert.equal(read(from({ k: 'argon2id:19456:0' })), false)
    assert.equal(read(from({ k: 'argon2i:19456:1' })), false)
    assert.equal(read(`r=${bothNonces},s=${toBase64(salt)},i=4096`), false)
  })

  it('refuses a nonce that does not go on from ours, or hardly does', () => {
    assert.equal(read(from({ r: `x${bothNonces.slice(1)}` })), false)
    assert.equal(read(from({ r: `${clientNonce}short` })), false)
    assert.equal(read(from({ r: clientNonce })), false)
  })

  it('refuses a mandatory extension, a short salt, and what is too long', () => {
    assert.equal(read(`m=something,${from({})}`), false)
    assert.equal(read(from({ s: toBase64(new Uint8Array(8)) })), false)
    assert.equal(read(from({ s: '!' })), false)
    assert.equal(read(`${from({})},x=${'y'.repeat(1024)}`), false)
  })
})

describe('readClientFirst()', () => {
  const read = (text: string): boolean => readClientFirst(text).ok

  it('refuses every other channel binding', () => {
    for (const header of ['n,,', 'y,,', 'p=tls-unique,,', 'p=tls-server-end-point,,', '']) {
      assert.equal(read(`${header}n=alice,r=${clientNonce}`), false, header)
    }
  })

  it('refuses acting as another, mandatory extensions, and malformed names and nonces', () => {
    assert.equal(read(`p=tls-exporter,a=bob,n=alice,r=${clientNonce}`), false)
    assert.equal(read(`${gs2}m=x,n=alice,r=${clientNonce}`), false)
    assert.equal(read(`${gs2}n=,r=${clientNonce}`), false)
    assert.equal(read(`${gs2}n=al=ice,r=${clientNonce}`), false)
    assert.equal(read(`${gs2}n=al=2cice,r=${clientNonce}`), false)
    assert.equal(read(`${gs2}n=${'a'.repeat(256)},r=${clientNonce}`), false)
    assert.equal(read(`${gs2}n=alice,r=short`), false)
    assert.equal(read(`${gs2}n=alice,r=${'x'.repeat(129)}`), false)
    assert.equal(read(`${gs2}n=alice`), false)
    assert.equal(read(`${gs2}n=alice,r=${clientNonce},x=${'y'.repeat(1024)}`), false)
  })
})

describe('fakeVerifier()', () => {
  const secret = new Uint8Array(32).fill(1)

  it('looks like any other, always the same for one name, and nobody can log in with it', () => {
    const fake = fakeVerifier(secret, 'nobody')
    const { client, server } = login({ user: 'nobody', verifier: fake })
    valueOf(client.readServerFirst(server.serverFirst))

    assert.deepEqual(fakeVerifier(secret, 'nobody'), fake)
    assert.notDeepEqual(fakeVerifier(secret, 'somebody').salt, fake.salt)
    assert.notDeepEqual(fakeVerifier(new Uint8Array(32), 'nobody').salt, fake.salt)
    assert.equal(server.serverFirst.length, login().server.serverFirst.length)
    assert.equal(server.verifyClientFinal(client.clientFinal(salted)).ok, false)
  })
})
