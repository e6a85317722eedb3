import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { DatagramSocket } from '../../src/core/datagram-socket.ts'
import { formatEndpoint } from '../../src/core/endpoint.ts'
import { type Driver, drive } from '../../src/io/drive.ts'
import { systemClock } from '../../src/io/system-clock.ts'
import { openUdpSocket } from '../../src/io/udp-socket.ts'
import type { ByteStream } from '../../src/io/byte-stream.ts'
import { listenUnix } from '../../src/io/unix-socket.ts'
import { encodeJsonLine, JsonLineDecoder } from '../../src/protocol/control/json-lines.ts'
import { BindingServer } from '../../src/stun/binding-server.ts'
import { bindingSocketId } from '../../src/stun/binding-sockets.ts'
import type { NatProfile } from '../../src/protocol/server/nat-profile.ts'
import {
  checkedReport,
  type Ended,
  natprobe,
  natprobeIn,
  natprobeProcess,
} from '../support/natprobe.ts'
import { inTemporaryDirectory } from '../support/temporary-directory.ts'

interface Question {
  readonly method: string
  readonly params: { readonly buddy: string }
}

const COUNTING: NatProfile = {
  mapping: 'address-and-port-dependent',
  filtering: 'address-and-port-dependent',
  ports: { kind: 'sequential', step: 1 },
  isPooled: false,
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

describe('natprobe, the command', function () {
  this.timeout(60_000) // starts processes, on a machine that may be busy

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
    const report = checkedReport(stdout)
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
    const [usage, taken, foreign, choice, page] = await Promise.all([
      natprobe('--quick'),
      natprobe('--bind', mainServer(), mainServer()),
      natprobe('--bind', '203.0.113.77', mainServer()),
      natprobe('--lifetime', 'long', mainServer()),
      natprobe('--report', '/nonexistent/page.html', mainServer()),
    ])

    assert.deepEqual(usage, {
      status: 2,
      stdout: '',
      stderr:
        'natprobe: No server is known: no hollerd is logged in, and no configuration names one. Name a STUN server (try --help)\n',
    })
    assert.equal(taken.status, 2)
    assert.match(taken.stderr, /^natprobe: Cannot bind UDP 127\.0\.0\.1:\d+: already in use\n$/)
    assert.deepEqual([foreign.status, choice.status, page.status], [2, 2, 2])
    assert.match(foreign.stderr, /^natprobe: Cannot bind UDP .*: this host has no such address\n$/)
    assert.match(choice.stderr, /^natprobe: option '--lifetime .*Allowed choices are off, quick/)
    assert.match(page.stderr, /^natprobe: Cannot write the page "\/nonexistent.*: ENOENT\n$/)
    assert.equal(page.stdout, '')
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
    const { args, env } = natprobeProcess(['--quick', '--every', '24h', mainServer()])
    const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'inherit'] })
    let stdout = ''
    child.stdout.on('data', (bytes: Buffer) => {
      stdout += bytes.toString()
      child.kill('SIGINT')
    })
    const status = await new Promise((done) => child.once('close', done))

    assert.equal(status, 0)
    assert.match(stdout, /^Direct paths expected\.$/m)
  })

  it('asks the server of the daemon’s account when nobody is named, else those of its configuration', async () => {
    await inTemporaryDirectory(async (directory) => {
      const path = join(directory, 'control.sock')
      const daemon = await listenUnix({ path, mode: 0o600, onStream: answerStatus })
      await mkdir(join(directory, 'holler'))
      const config = join(directory, 'holler', 'natprobe.toml')
      await writeFile(config, `servers = ["${mainServer()}"]\n`)

      const [byDaemon, byFile] = await Promise.all([
        natprobeIn({ HOLLER_SOCKET: path }, '--quick', '--json'),
        natprobeIn({ XDG_CONFIG_HOME: directory }, '--quick', '--json'),
      ])
      await writeFile(config, 'servers = [7]\n')
      const unusable = await natprobeIn({ XDG_CONFIG_HOME: directory }, '--quick')
      await daemon.close()

      for (const { status, stdout } of [byDaemon, byFile]) {
        assert.equal(status, 0)
        assert.equal(checkedReport(stdout).servers[0]?.server, mainServer())
      }
      assert.equal(unusable.status, 2)
      assert.match(unusable.stderr, /natprobe\.toml:1:1: "servers": "7" is no SERVER\[:PORT\]\n$/)
    })
  })

  it('predicts the path to a buddy from what the daemon was told, and says what is missing', async () => {
    await inTemporaryDirectory(async (directory) => {
      const path = join(directory, 'control')
      const daemon = await listenUnix({ path, mode: 0o600, onStream: answerPath })
      const ask = (buddy: string): Promise<Ended> =>
        natprobeIn({ HOLLER_SOCKET: path }, '--quick', '--json', '--peer', buddy, mainServer())

      const [bob, carol, nobody, alone] = await Promise.all([
        ask('bob'),
        ask('carol'),
        ask('mallory'),
        natprobe('--peer', 'bob', mainServer()),
      ])
      await daemon.close()

      assert.equal(bob.status, 0, bob.stderr)
      const { peer } = checkedReport(bob.stdout)
      assert.deepEqual([peer?.strategy, peer?.expectedSeconds], ['punch', 0.5])
      assert.deepEqual([carol.status, nobody.status, alone.status], [2, 2, 2])
      assert.match(carol.stderr, /"carol": nothing is known .*\(holler net ping carol\)\n$/)
      assert.match(nobody.stderr, /"mallory": No buddy "mallory"\n$/)
      assert.match(alone.stderr, /"bob": no report has that name, and no hollerd answers/)
    })
  })

  /** A daemon that was told of one buddy's NAT. */
  function answerPath(stream: ByteStream): void {
    const decoder = new JsonLineDecoder()
    stream.onBytes((bytes) => {
      for (const line of decoder.push(bytes)) {
        const { method, params } = (line.ok ? line.value : {}) as Question
        assert.equal(method, 'net.path')
        const error = { code: -32000, message: `No buddy "${params.buddy}"` }
        const known = new Map([
          ['bob', { result: { nat: COUNTING } }],
          ['carol', { result: { nat: null } }],
        ])
        const answer = known.get(params.buddy) ?? { error }
        stream.write(encodeJsonLine({ jsonrpc: '2.0', id: 1, ...answer }))
      }
    })
  }

  /** A daemon that knows one thing. */
  function answerStatus(stream: ByteStream): void {
    const decoder = new JsonLineDecoder()
    stream.onBytes((bytes) => {
      for (const line of decoder.push(bytes)) {
        assert.deepEqual(line.ok && line.value, {
          jsonrpc: '2.0',
          id: 1,
          method: 'net.status',
          params: {},
        })
        const result = { stunServers: [mainServer()] }
        stream.write(encodeJsonLine({ jsonrpc: '2.0', id: 1, result }))
      }
    })
  }

  it('ends with 11 where TCP gets through and UDP does not, with 20 where neither does', async () => {
    const silent = await openUdpSocket({ address: '127.0.0.1', port: 0 })
    const listener = createServer((socket) => socket.destroy())
    listener.listen(silent.local.port, '127.0.0.1')
    await once(listener, 'listening')
    const deaf = await openUdpSocket({ address: '127.0.0.1', port: 0 })

    const [blocked, dead] = await Promise.all([
      natprobe('--quick', '--json', formatEndpoint(silent.local)),
      natprobe('--quick', '--json', formatEndpoint(deaf.local)),
    ])
    listener.close()
    await Promise.all([silent.close(), deaf.close()])

    const report = checkedReport(blocked.stdout)
    assert.deepEqual([blocked.status, report.verdict], [11, 'udp-blocked'])
    assert.equal(report.egress?.tcp[silent.local.port], true)
    assert.equal(report.families.ipv4?.classic, 'udp-blocked')
    assert.match(report.advice.join(), /Allow outgoing UDP/)
    assert.equal(dead.status, 20)
    assert.match(checkedReport(dead.stdout).advice.join(), /it may be down/)
  })

  it('ends with 20 when there is nobody to ask', async () => {
    const { status, stdout } = await natprobe('-6', mainServer())

    assert.equal(status, 20)
    assert.match(stdout, /^Inconclusive/)
  })
})
