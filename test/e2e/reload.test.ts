import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { generate } from 'selfsigned'
import { parseServerLink, SESSION_ALPN } from '../../src/protocol/server/link.ts'
import { type Person, serve, type Server } from '../support/household.ts'
import { Playground } from './support.ts'

/** SIGHUP to a real server, which somebody uses meanwhile. */
describe('a server that reads its configuration again', function () {
  this.timeout(60_000)
  let playground: Playground
  let server: Server
  let alice: Person
  let lines: Readonly<Record<string, string>>

  const inDirectory = (name: string): string => join(playground.directory, name)

  async function configure(change: Readonly<Record<string, string>>): Promise<void> {
    lines = { ...lines, ...change }
    const text = Object.entries(lines).map(([key, value]) => `${key} = ${value}\n`)
    await writeFile(inDirectory('server.toml'), text.join(''))
  }

  /** A fresh certificate in the files that the configuration names. */
  async function renewCertificate(): Promise<string> {
    const { cert, private: key } = await generate([{ name: 'commonName', value: 'holler' }], {
      keyType: 'ec',
    })
    await writeFile(inDirectory('cert.pem'), cert)
    await writeFile(inDirectory('key.pem'), key)
    return new X509Certificate(cert).fingerprint256
  }

  /** By a stranger who is hung up on. */
  async function presentedCertificate(): Promise<string> {
    const address = parseServerLink(server.link)
    assert.ok(address.ok)
    const { host, port } = address.value
    const socket = connect({ host, port, rejectUnauthorized: false, ALPNProtocols: [SESSION_ALPN] })
    await once(socket, 'secureConnect')
    const { fingerprint256 = 'none' } = socket.getPeerX509Certificate() ?? {}
    socket.resume().end(Uint8Array.of(0xff, 0xff, 0xff, 0xff)) // a frame as long as none is, which ends it
    await once(socket, 'close')
    return fingerprint256
  }

  /** Sends SIGHUP; the line of the log that says how it went. */
  async function reload(): Promise<string> {
    const { stderr } = server.program
    const told = (): readonly string[] =>
      stderr.lines.filter((line) => /reloaded|Cannot reload/.test(line))
    const before = told().length
    server.program.kill('SIGHUP')
    return await stderr.waiters.until(
      () => told()[before],
      20_000,
      () => `Not reloaded${server.program.logTail()}`,
    )
  }

  async function registration(name: string): Promise<number | null> {
    const somebody = await playground.person(name)
    const who = ['--server', server.link, '--handle', name, '--password-stdin']
    const { code } = await somebody.holler(['account', 'register', ...who], 'long enough password')
    return code
  }

  before(async () => {
    playground = await Playground.create()
    await renewCertificate()
    await configure({
      data: JSON.stringify(playground.serverDataDir),
      listen: '"127.0.0.1:0"',
      udp: '"127.0.0.1:0"',
      cert: JSON.stringify(inDirectory('cert.pem')),
      key: JSON.stringify(inDirectory('key.pem')),
      'open-registration': 'true',
    })
    server = await serve(['--config', inDirectory('server.toml')])
    alice = await playground.person('alice')
    await alice.register(server.link)
  })

  afterEach(async () => {
    const { session } = await alice.request('status.get', {})
    assert.equal(session, 'online', 'who was there has noticed')
    const states = alice.events.filter(({ type }) => type === 'session.state')
    assert.deepEqual(
      states.map(({ data }) => data['state']).filter((state) => state === 'waiting'),
      [],
    )
  })

  after(() => playground.close())

  it('closes registration, and opens it again', async () => {
    await configure({ 'open-registration': 'false' })
    assert.match(await reload(), /reloaded/)
    assert.notEqual(await registration('bob'), 0)

    await configure({ 'open-registration': 'true' })
    assert.match(await reload(), /reloaded/)
    assert.equal(await registration('carol'), 0)
  })

  it('names what waits for the next start', async () => {
    await configure({ udp: '"127.0.0.1:1"' })

    assert.match(await reload(), /reloaded.*"udp"/)

    await configure({ udp: '"127.0.0.1:0"' })
    await reload()
  })

  it('logs more, or less, as the file says', async () => {
    const { stderr } = server.program
    const strangers = (): readonly string[] =>
      stderr.lines.filter((line) => / debug .*session ended/.test(line))
    await presentedCertificate()
    await configure({ 'log-level': '"debug"' })
    await reload()
    assert.deepEqual(strangers(), [])

    await presentedCertificate()
    await stderr.waiters.until(
      () => strangers()[0],
      20_000,
      () => `Not logged${server.program.logTail()}`,
    )

    await configure({ 'log-level': '"info"' })
    await reload()
    const before = strangers().length
    await presentedCertificate()
    await reload()
    assert.equal(strangers().length, before)
  })

  it('tells a mistake with its line, and goes on as it was', async () => {
    await configure({ 'open-registration': 'false' })
    await reload()
    await configure({ 'open-registration': '"perhaps"' })

    const told = await reload()

    const line = Object.keys(lines).indexOf('open-registration') + 1
    assert.match(told, new RegExp(`Cannot reload.*server\\.toml:${line}:`))
    assert.notEqual(await registration('dave'), 0, 'closed, as it was before the mistake')
    await configure({ 'open-registration': 'true', 'open-registraton': 'true' })
    assert.match(await reload(), /Cannot reload.*open-registration/)
    lines = Object.fromEntries(Object.entries(lines).filter(([key]) => key !== 'open-registraton'))
    await configure({})
    assert.match(await reload(), /reloaded/)
    assert.equal(await registration('erin'), 0)
  })

  it('serves a renewed certificate to who comes from now on', async () => {
    const renewed = await renewCertificate()
    assert.notEqual(await presentedCertificate(), renewed)

    assert.match(await reload(), /reloaded/)

    assert.equal(await presentedCertificate(), renewed)
  })

  it('goes on with the certificate it has where the files do not belong together', async () => {
    const present = await presentedCertificate()
    const { private: key } = await generate([{ name: 'commonName', value: 'x' }], { keyType: 'ec' })
    await writeFile(inDirectory('key.pem'), key)

    assert.match(await reload(), /Cannot reload.*cert\.pem/)

    assert.equal(await presentedCertificate(), present)
  })
})
