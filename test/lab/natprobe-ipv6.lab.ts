import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  addressCommand,
  connect,
  type Namespace,
  Namespaces,
  routeCommand,
} from '../../scripts/lab/namespaces.ts'
import {
  RouterInternet,
  SERVER_ADDRESSES,
  SERVER_IPV6_ADDRESS,
} from '../../scripts/lab/router/router-internet.ts'
import type { Report } from '../../src/natprobe/report.ts'
import { startServer } from '../support/household.ts'
import { checkedReport } from '../support/natprobe.ts'
import { type Program, runProgram } from '../support/programs.ts'
import { Child, endAll } from './miniupnpd.ts'

const SECOND_IPV6_ADDRESS = '2001:db8:5e::11'

interface Run {
  readonly status: number | null
  readonly report: Report
}

async function natprobe(prefix: readonly string[], ...args: readonly string[]): Promise<Run> {
  const { code, stdout, stderr } = await runProgram({
    ...{ name: 'natprobe', main: 'natprobe', prefix },
    args: ['--json', ...args],
  })
  assert.notEqual(stdout, '', stderr)
  return { status: code, report: checkedReport(stdout) }
}

describe('natprobe with IPv6', () => {
  let directory: string
  let internet: RouterInternet
  const servers: Program[] = []

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'hlab-n6-'))
    internet = await RouterInternet.create()
    const { prefix } = internet.server
    await internet.server.ip(addressCommand(`${SECOND_IPV6_ADDRESS}/64`, 'eth0'))
    const [first, second] = SERVER_ADDRESSES
    for (const [index, [main, other]] of [
      [first, second],
      [`[${SERVER_IPV6_ADDRESS}]`, `[${SECOND_IPV6_ADDRESS}]`],
    ].entries()) {
      const { program } = await startServer({
        ...{ dataDir: join(directory, `server${index}`), prefix },
        ...{ listen: `${main}:7443`, udp: `${main}:3478`, udpAlt: `${other}:3479` },
      })
      servers.push(program)
    }
  })

  after(async () => {
    await Promise.all(servers.map((server) => server.stop()))
    await internet.close()
    await rm(directory, { recursive: true, force: true })
  })

  it('tests both families side by side: the NAT of one, the firewall of the other', async () => {
    const router = await internet.addKernelRouter({ ipv4: 'masquerade', ipv6: 'firewall' })
    const { namespace } = await router.addHost()
    const [ipv4Server] = SERVER_ADDRESSES
    const args = [ipv4Server, `[${SERVER_IPV6_ADDRESS}]`, '--lifetime', 'off']
    const { status, report } = await natprobe(namespace.prefix, ...args)

    const { ipv4, ipv6 } = report.families
    assert.equal(status, 0)
    assert.deepEqual([ipv4?.natted, ipv4?.mapping.value], [true, 'endpoint-independent'])
    assert.deepEqual([ipv6?.natted, ipv6?.mapping.value], [false, 'none'])
    assert.equal(ipv6?.filtering.value, 'address-and-port-dependent')
    assert.equal(ipv6.classic, 'symmetric-firewall')
    assert.equal(ipv6.inboundFirewall?.value, true)
    assert.deepEqual(ipv6.public, [ipv6.local])
    assert.equal(ipv6.nat64?.value ?? null, null)
    assert.ok(report.servers.every(({ answered }) => answered === true))
  })

  it('-6 asks by IPv6 alone, and quickly', async () => {
    const router = await internet.addKernelRouter({ ipv6: 'firewall' })
    const { namespace } = await router.addHost()
    const { status, report } = await natprobe(
      namespace.prefix,
      ...['-6', '--quick', SERVER_IPV6_ADDRESS],
    )

    assert.deepEqual([status, Object.keys(report.families)], [0, ['ipv6']])
    assert.equal(report.families.ipv6?.inboundFirewall?.value, true)
  })
})

/*
 *     host, IPv6 alone ─── gateway: DNS64, tayga (64:ff9b::/96), masquerade ─── holler-server, IPv4 alone
 *     2001:db8:a::5        2001:db8:a::1                    11.0.0.2            11.0.0.1, 11.0.0.3
 */
describe('natprobe behind a NAT64', () => {
  let namespaces: Namespaces
  let directory: string
  let host: Namespace
  let server: Program
  let prefix: readonly string[]

  before(async () => {
    namespaces = new Namespaces(`hlab-${process.pid}-n64`)
    directory = await mkdtemp(join(tmpdir(), 'hlab-n64-'))
    const outside = await namespaces.add('outside')
    const gateway = await namespaces.add('gateway')
    host = await namespaces.add('host')
    await connect(
      { namespace: outside, name: 'eth0', addresses: ['11.0.0.1/24', '11.0.0.3/24'] },
      { namespace: gateway, name: 'wan', addresses: ['11.0.0.2/24'] },
    )
    await connect(
      { namespace: gateway, name: 'lan', addresses: ['2001:db8:a::1/64'] },
      {
        ...{ namespace: host, name: 'eth0', addresses: ['2001:db8:a::5/64'] },
        commands: [routeCommand('default', '2001:db8:a::1')],
      },
    )
    await startNat64(gateway, directory)
    const resolvConf = join(directory, 'resolv.conf')
    await writeFile(resolvConf, 'nameserver 2001:db8:a::1\n')
    const script = `mount --bind ${resolvConf} /etc/resolv.conf && exec "$@"`
    prefix = [...host.prefix, 'unshare', '--mount', 'sh', '-c', script, 'sh']
    ;({ program: server } = await startServer({
      dataDir: join(directory, 'server'),
      ...{ listen: '11.0.0.1:7443', udp: '11.0.0.1:3478', udpAlt: '11.0.0.3:3479' },
      prefix: outside.prefix,
    }))
  })

  after(async () => {
    await server.stop()
    await endAll()
    await namespaces.close()
    await rm(directory, { recursive: true, force: true })
  })

  it('finds its prefix by RFC 7050, and asks through it a server that has IPv4 alone', async () => {
    const { status, report } = await natprobe(prefix, '11.0.0.1', '--lifetime', 'off')

    const { ipv6 } = report.families
    assert.deepEqual(Object.keys(report.families), ['ipv6'])
    assert.equal(ipv6?.nat64?.value, '64:ff9b::/96')
    assert.match(ipv6.local ?? '', /^\[2001:db8:a::5\]:/)
    assert.match(ipv6.public.join(), /^11\.0\.0\.2:\d+$/)
    assert.equal(ipv6.natted, true)
    assert.deepEqual(
      report.servers.map(({ answered, address }) => [answered, address]),
      [[true, '[64:ff9b::b00:1]:3478']],
    )
    assert.equal(status, 20) // one server, whose other address is of the other family
  })
})

async function startNat64(gateway: Namespace, directory: string): Promise<void> {
  const conf = join(directory, 'tayga.conf')
  await writeFile(
    conf,
    [
      'tun-device nat64',
      'ipv4-addr 192.168.255.1',
      'ipv6-addr 2001:db8:64::1',
      'prefix 64:ff9b::/96',
      'dynamic-pool 192.168.255.0/24',
      `data-dir ${directory}`,
    ].join('\n'),
  )
  await gateway.run(
    ...(['sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1'] as const),
  )
  await gateway.run('tayga', '--config', conf, '--mktun')
  await gateway.ip(
    'link set nat64 up',
    'route add 192.168.255.0/24 dev nat64',
    'route add 64:ff9b::/96 dev nat64',
  )
  gateway.nft(`table ip nat {
    chain postrouting {
      type nat hook postrouting priority 100;
      oifname "wan" masquerade
    }
  }`)
  new Child(gateway, ['tayga', '--config', conf, '--nodetach'])
  await new Child(gateway, [process.execPath, '-e', DNS64]).errorLine(/up/)
}

/** Answers every question for an IPv6 address with that of 192.0.0.170 behind the prefix. */
const DNS64 = `
  const socket = require('dgram').createSocket('udp6')
  socket.on('message', (question, { port, address }) => {
    const end = question.indexOf(0, 12) + 5
    const head = Buffer.from([...question.subarray(0, 2), 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0])
    const answer = Buffer.from('c00c001c00010000003c00100064ff9b0000000000000000c00000aa', 'hex')
    socket.send(Buffer.concat([head, question.subarray(12, end), answer]), port, address)
  })
  socket.bind(53, '2001:db8:a::1', () => console.error('up'))`
