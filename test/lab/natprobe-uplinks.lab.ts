import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Namespace, routeCommand } from '../../scripts/lab/namespaces.ts'
import { routerKinds } from '../../scripts/lab/router/kinds.ts'
import type { LabRouter } from '../../scripts/lab/router/lab-router.ts'
import { RouterInternet, SERVER_ADDRESSES } from '../../scripts/lab/router/router-internet.ts'
import type { Report } from '../../src/natprobe/report.ts'
import { startServer } from '../support/household.ts'
import { type Finished, type Program, runProgram } from '../support/programs.ts'

const [SERVER, SECOND] = SERVER_ADDRESSES

/*
 *           ┌─ eth0, metric 100 ── router of one kind ──────┐
 *     host ─┤                                               ├── holler-server
 *           └─ eth1, metric 200 ── router of another kind ──┘
 */
describe('natprobe on a host with two uplinks', () => {
  let directory: string
  let internet: RouterInternet
  let server: Program
  let host: Namespace
  let routers: readonly [symmetric: LabRouter, cone: LabRouter]

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'hlab-nu-'))
    internet = await RouterInternet.create()
    ;({ program: server } = await startServer({
      dataDir: join(directory, 'server'),
      listen: `${SERVER}:7443`,
      udp: `${SERVER}:3478`,
      udpAlt: `${SECOND}:3479`,
      prefix: internet.server.prefix,
    }))
    const symmetric = await internet.addRouter({ kind: routerKinds['symmetric sequential'] })
    const cone = await internet.addRouter({ kind: routerKinds['address-restricted cone'] })
    routers = [symmetric, cone]
    host = (await symmetric.addHost()).namespace
    await cone.lan.plug(host, 'eth1', '10.2.0.50')
    await prefer('eth0')
    await answersAreHeard(true)
  })

  after(async () => {
    await server.stop()
    await internet.close()
    await rm(directory, { recursive: true, force: true })
  })

  async function prefer(preferred: 'eth0' | 'eth1'): Promise<void> {
    const ways = [
      ['eth0', '10.1.0.1'],
      ['eth1', '10.2.0.1'],
    ] as const
    await host.run('ip', 'route', 'flush', 'exact', 'default')
    await host.ip(
      ...ways.map(([name, via]) => {
        const metric = name === preferred ? 100 : 200
        return `${routeCommand('default', via)} dev ${name} metric ${metric}`
      }),
    )
  }

  /** Loosely, a host hears whomever it could answer at all; strictly, whom it would answer through that interface. */
  async function answersAreHeard(isLoose: boolean): Promise<void> {
    const value = isLoose ? 2 : 1
    await host.run('sysctl', '-qw', 'net.ipv4.conf.all.rp_filter=0')
    await host.run('sysctl', '-qw', `net.ipv4.conf.eth1.rp_filter=${value}`)
  }

  async function natprobe(...args: readonly string[]): Promise<Finished> {
    const prefix = host.prefix
    return await runProgram({
      ...{ name: 'natprobe', main: 'natprobe', prefix },
      args: [SERVER, ...args],
    })
  }

  async function probe(...args: readonly string[]): Promise<Report & { status: number | null }> {
    const { code, stdout, stderr } = await natprobe('--json', ...args)
    assert.notEqual(stdout, '', stderr)
    return { ...(JSON.parse(stdout) as Report), status: code }
  }

  it('tells of each: by the preferred one the verdict, by the other one what it would be', async () => {
    const report = await probe('--lifetime', 'off')

    const [symmetric, cone] = routers
    assert.deepEqual([report.status, report.verdict], [10, 'relay-likely'])
    assert.match(report.families.ipv4?.local ?? '', /^10\.1\.0\.2:/)
    assert.deepEqual(addressesIn(report.families), symmetric.publicAddresses)
    assert.equal(report.families.ipv4?.allocator?.value.kind, 'step')
    assert.equal(report.otherUplinks?.length, 1)
    const [other] = report.otherUplinks ?? []
    assert.ok(other !== undefined)
    assert.deepEqual([other.interface, other.verdict], ['eth1', 'direct'])
    const { ipv4 } = other.families
    assert.match(ipv4?.local ?? '', /^10\.2\.0\.50:/)
    assert.deepEqual(addressesIn(other.families), cone.publicAddresses)
    assert.equal(ipv4?.classic, 'restricted-cone')
    assert.equal(ipv4.allocator?.value.kind, 'preserve')
    assert.equal(other.servers[0]?.answered, true)
    assert.equal(report.portMapping?.gateway, '10.1.0.1')
    assert.equal(other.portMapping?.gateway, '10.2.0.1')
    assert.match(report.advice.join(), /another interface of this host/)
  })

  it('follows the system’s preference', async () => {
    await prefer('eth1')
    const { status, verdict, families, otherUplinks } = await probe('--quick')
    await prefer('eth0')

    assert.deepEqual([status, verdict], [0, 'direct'])
    assert.match(families.ipv4?.local ?? '', /^10\.2\.0\.50:/)
    const [other] = otherUplinks ?? []
    assert.deepEqual([other?.interface, other?.verdict], ['eth0', 'relay-likely'])
  })

  it('tests one alone when it is told an address', async () => {
    const report = await probe('--quick', '--bind', '10.1.0.2')

    assert.equal(report.status, 10)
    assert.equal(report.otherUplinks, undefined)
  })

  it('shows both in text, on the page, and under other names in public', async () => {
    const page = join(directory, 'page.html')
    const { stdout } = await natprobe('--quick', '--report', page)
    const { stdout: hidden } = await natprobe('--quick', '--anonymize')

    assert.match(stdout, /^IPv4\n {2}local address +10\.1\.0\.2:\d+$/m)
    assert.match(
      stdout,
      /^Through eth1, which the system does not prefer: Direct paths expected\.$/m,
    )
    assert.match(stdout, /^IPv4, through eth1\n {2}local address +10\.2\.0\.50:\d+$/m)
    assert.match(await readFile(page, 'utf8'), /<h2>IPv4, through eth1<\/h2>/)
    assert.match(hidden, /^IPv4, through interface-1$/m)
    assert.doesNotMatch(hidden, /eth1|\d+\.\d+\.\d+\.\d+/)
  })

  it('says so where this host drops the answers that come in there', async () => {
    await answersAreHeard(false)
    const { status, otherUplinks } = await probe('--quick')
    await answersAreHeard(true)

    assert.equal(status, 10)
    const [other] = otherUplinks ?? []
    assert.deepEqual([other?.verdict, other?.families.ipv4?.public], ['inconclusive', []])
    assert.match(other?.why ?? '', /rp_filter/)
  })

  it('leaves the others alone where everything goes through a tunnel', async () => {
    await host.ip(
      'tuntap add tun0 mode tun',
      'address add 10.9.9.2/24 dev tun0',
      'link set tun0 up',
      'route add default via 10.9.9.1 dev tun0 metric 50',
    )
    const { families, otherUplinks } = await probe('--quick')
    await host.ip('link delete tun0')

    assert.match(families.ipv4?.local ?? '', /^10\.9\.9\.2:/)
    assert.equal(otherUplinks, undefined)
  })
})

function addressesIn({ ipv4 }: Report['families']): readonly string[] {
  return [...new Set((ipv4?.public ?? []).map((endpoint) => endpoint.replace(/:\d+$/, '')))]
}
