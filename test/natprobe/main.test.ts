import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { DatagramSocket } from '../../src/core/datagram-socket.ts'
import { formatEndpoint } from '../../src/core/endpoint.ts'
import { type Driver, drive } from '../../src/io/drive.ts'
import { systemClock } from '../../src/io/system-clock.ts'
import { openUdpSocket } from '../../src/io/udp-socket.ts'
import type { Report } from '../../src/natprobe/report.ts'
import { BindingServer } from '../../src/stun/binding-server.ts'
import { bindingSocketId } from '../../src/stun/binding-sockets.ts'

const MAIN = fileURLToPath(new URL('../../src/natprobe/main.ts', import.meta.url))

interface Ended {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

function natprobe(...args: readonly string[]): Promise<Ended> {
  return new Promise((done) => {
    execFile(process.execPath, ['--import=tsx', MAIN, ...args], (error, stdout, stderr) => {
      const status = error === null ? 0 : typeof error.code === 'number' ? error.code : -1
      done({ status, stdout, stderr })
    })
  })
}

/** Two addresses with the same two ports, on loopback: the system chooses them. */
async function fourSockets(): Promise<readonly DatagramSocket[]> {
  const sockets: DatagramSocket[] = []
  for (let pair = 0; pair < 2; pair++) {
    const first = await openUdpSocket({ address: '127.0.0.1', port: 0 })
    const second = await openUdpSocket({ address: '127.0.0.2', port: first.local.port })
    sockets.push(first, second)
  }
  return sockets
}

describe('natprobe, the command', () => {
  let sockets: readonly DatagramSocket[] = []
  let driver: Driver | undefined

  before(async () => {
    sockets = await fourSockets()
    const named = sockets.map((socket, index) => {
      const id = bindingSocketId(index % 2 === 0 ? 1 : 2, index < 2 ? 1 : 2)
      return { id, endpoint: socket.local, socket }
    })
    const server = new BindingServer({ sockets: named })
    driver = drive(server, {
      clock: systemClock,
      sockets: { primary: [], named: new Map(named.map(({ id, socket }) => [id, socket])) },
      onEvent: () => undefined,
    })
  })

  after(async () => {
    driver?.stop()
    await Promise.all(sockets.map((socket) => socket.close()))
  })

  function mainServer(): string {
    const [first] = sockets
    assert.ok(first !== undefined)
    return formatEndpoint(first.local)
  }

  it('prints one JSON document, and finds loopback open', async () => {
    const { status, stdout, stderr } = await natprobe('--quick', '--json', mainServer())

    assert.equal(stderr, '')
    const report = JSON.parse(stdout) as Report
    assert.deepEqual([status, report.verdict], [0, 'direct'])
    assert.equal(report.families.ipv4?.classic, 'open-internet')
    assert.equal(report.servers[0]?.hasAlternateAddress, true)
  })

  it('prints text for people, and tests the address that it is told to', async () => {
    const args = ['--quick', '--bind', '127.0.0.3', mainServer()]
    const { status, stdout } = await natprobe(...args)

    assert.equal(status, 0)
    assert.match(stdout, /^Direct paths expected\.$/m)
    assert.match(stdout, /local address +127\.0\.0\.3:\d+$/m)
  })

  it('ends with 2 and one line when it cannot do what it is told', async () => {
    const [usage, taken] = await Promise.all([
      natprobe('--quick'),
      natprobe('--bind', mainServer(), mainServer()),
    ])

    assert.deepEqual(usage, {
      status: 2,
      stdout: '',
      stderr: 'natprobe: name at least one STUN server (try --help)\n',
    })
    assert.equal(taken.status, 2)
    assert.match(taken.stderr, /^natprobe: Cannot bind UDP 127\.0\.0\.1:\d+: already in use\n$/)
  })

  it('compares with an older report, and shows no address when it must not', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'natprobe-'))
    const file = join(directory, 'old.json')
    const families = { ipv4: { mapping: { value: 'address-dependent' } } }
    await writeFile(file, JSON.stringify({ schema: 1, verdict: 'direct', families }))

    const page = join(directory, 'page.html')
    const args = ['--quick', '--anonymize', '--report', page, '--compare']
    const [told, missing] = await Promise.all([
      natprobe(...args, file, mainServer()),
      natprobe('--quick', '--compare', join(directory, 'none.json'), mainServer()),
    ])

    const html = await readFile(page, 'utf8')
    await rm(directory, { recursive: true })
    assert.match(html, /Direct paths expected/)
    assert.doesNotMatch(html, /127\.0\.0/)
    assert.equal(told.status, 0)
    assert.match(told.stdout, /^Changed$/m)
    assert.match(told.stdout, /^ {2}IPv4 mapping +address-dependent -> none$/m)
    assert.match(told.stdout, /local address +loopback-ipv4-1:\d+$/m)
    assert.doesNotMatch(told.stdout, /127\.0\.0/)
    assert.equal(missing.status, 2)
    assert.match(missing.stderr, /^natprobe: Cannot read the report ".*none\.json"\n$/)
  })

  it('repeats until a signal, and ends with the last verdict', async () => {
    const args = ['--import=tsx', MAIN, '--quick', '--every', '24h', mainServer()]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    let stdout = ''
    child.stdout.on('data', (bytes: Buffer) => {
      stdout += bytes.toString()
      child.kill('SIGINT')
    })
    const status = await new Promise((done) => child.once('close', done))

    assert.equal(status, 0)
    assert.match(stdout, /^Direct paths expected\.$/m)
  })

  it('ends with 20 when there is nobody to ask', async () => {
    const { status, stdout } = await natprobe('-6', mainServer())

    assert.equal(status, 20)
    assert.match(stdout, /^Inconclusive/)
  })
})
