import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type Namespace, Namespaces } from '../../scripts/lab/namespaces.ts'
import type { Report } from '../../src/natprobe/report.ts'
import { type Program, runProgram } from '../support/programs.ts'
import { startServer } from '../support/household.ts'
import { endAll, Gateway, hasMiniupnpd } from './miniupnpd.ts'

/*
 *     outside: holler-server, UDP 3478, 3479, 53, 443 ─── wan, gateway with miniupnpd, lan ─── host
 *     11.0.0.1, 11.0.0.3                              11.0.0.2                   10.9.0.1    10.9.0.2
 */
const SERVER = '11.0.0.1'
const SECOND = '11.0.0.3'
const GATEWAY = '11.0.0.2'

describe('natprobe, what is around it', () => {
  let namespaces: Namespaces
  let directory: string
  let outside: Namespace
  let home: Namespace
  let host: Namespace
  let gateway: Gateway
  let server: Program

  before(async function () {
    if (!hasMiniupnpd) this.skip() // on Debian: apt-get install miniupnpd-nftables
    namespaces = new Namespaces(`hlab-${process.pid}-na`)
    directory = await mkdtemp(join(tmpdir(), 'hlab-na-'))
    outside = await namespaces.add('outside')
    home = await namespaces.add('gateway')
    host = await namespaces.add('host')
    await connect(
      { namespace: outside, name: 'eth0', addresses: [`${SERVER}/24`, `${SECOND}/24`] },
      { namespace: home, name: 'wan', addresses: [`${GATEWAY}/24`] },
    )
    await connect(
      { namespace: home, name: 'lan', addresses: ['10.9.0.1/24'] },
      { namespace: host, name: 'eth0', addresses: ['10.9.0.2/24'] },
    )
    await home.forward()
    await home.route('default', SERVER)
    await host.route('default', '10.9.0.1')
    gateway = new Gateway(home, directory)
    await gateway.start()
    ;({ program: server } = await startServer({
      dataDir: join(directory, 'server'),
      listen: `${SERVER}:7443`,
      udp: `${SERVER}:3478`,
      udpAlt: `${SECOND}:3479`,
      udpEgress: '53,443',
      prefix: outside.prefix,
    }))
  })

  after(async () => {
    if (!hasMiniupnpd) return
    await server.stop()
    await endAll()
    await namespaces.close()
    await rm(directory, { recursive: true, force: true })
  })

  async function probe(
    ...args: readonly string[]
  ): Promise<{ readonly status: number | null; readonly report: Report }> {
    const { code, stdout, stderr } = await runProgram({
      name: 'natprobe',
      main: 'natprobe',
      args: [SERVER, '--json', ...args],
      prefix: host.prefix,
    })
    assert.notEqual(stdout, '', stderr)
    return { status: code, report: JSON.parse(stdout) as Report }
  }

  it('proves the mappings of PCP, NAT-PMP and UPnP from outside, and gives all of it back', async () => {
    const { status, report } = await probe('--lifetime', 'off')

    assert.equal(status, 0)
    const { portMapping } = report
    assert.ok(portMapping !== undefined)
    for (const by of ['pcp', 'natPmp', 'upnp'] as const) {
      assert.equal(portMapping[by].value, 'works', `${by}: ${JSON.stringify(portMapping[by])}`)
      assert.match(portMapping[by].reachedAt ?? '', /^11\.0\.0\.2:\d+$/)
    }
    assert.equal(portMapping.doubleNat?.value, false)
    assert.equal(gateway.mappings().match(/dnat/g), null)
    assert.deepEqual(report.egress?.udp, { 53: true, 443: true, 3478: true, 3479: true })
    assert.equal(report.egress.tcp['7443'], true)
    assert.equal(report.families.ipv4?.fragments?.value, true)
  })

  it('maps by UPnP where the first packet of every connection is lost', async () => {
    home.nft(`table inet lossy {
      chain input {
        type filter hook input priority -10;
        iifname "lan" tcp flags syn / syn,ack numgen inc mod 2 == 0 drop
      }
    }`)
    const { report } = await probe('--lifetime', 'off')
    home.nft('delete table inet lossy')

    const upnp = report.portMapping?.upnp
    assert.equal(upnp?.value, 'works', JSON.stringify(upnp))
    assert.equal(gateway.mappings().match(/dnat/g), null)
  })

  it('tells a UDP port that is not let out, and a path that carries no more than 1400 bytes', async () => {
    home.nft(`table inet egress {
      chain forward {
        type filter hook forward priority -10;
        udp dport 443 drop
        iifname "lan" ip length > 1400 drop
      }
    }`)
    const { report } = await probe('--lifetime', 'off')
    home.nft('delete table inet egress')

    assert.deepEqual(report.egress?.udp, { 53: true, 443: false, 3478: true, 3479: true })
    const { mtu } = report.families.ipv4 ?? {}
    assert.ok(mtu?.value === 1400 || mtu?.value === 'unknown', `${mtu?.value}`)
  })

  it('says that a mapping does not forward, where it does not', async () => {
    home.nft(dropping('closed', 'ct status dnat drop'))
    const { report } = await probe('--lifetime', 'off')
    home.nft('delete table inet closed')

    assert.equal(report.portMapping?.pcp.value, 'not-forwarded')
    assert.equal(gateway.mappings().match(/dnat/g), null)
  })

  it('ends with 11 where UDP alone is blocked, and with 12 behind a portal', async () => {
    home.nft(dropping('blocked', 'meta l4proto udp drop'))
    const blocked = await probe('--quick')
    const portal = spawn('ip', ['netns', 'exec', home.name, process.execPath, '-e', PORTAL], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await once(portal.stdout, 'data')
    home.nft(`table ip portal {
      chain prerouting {
        type nat hook prerouting priority -110;
        iifname "lan" tcp dport 80 dnat to 10.9.0.1:8080
      }
    }`)
    const captive = await probe('--quick')
    portal.kill()
    home.nft('delete table ip portal; delete table inet blocked')

    assert.deepEqual([blocked.status, blocked.report.verdict], [11, 'udp-blocked'])
    assert.equal(blocked.report.captivePortal?.value, false)
    assert.deepEqual([captive.status, captive.report.verdict], [12, 'captive-portal'])
  })
})

/** Before the gateway's own rules. */
function dropping(name: string, rule: string): string {
  return `table inet ${name} {
    chain forward {
      type filter hook forward priority -10;
      ${rule}
    }
  }`
}

const PORTAL = `
  require('http').createServer((request, response) => {
    response.writeHead(302, { location: 'http://10.9.0.1/login' }).end()
  }).listen(8080, '10.9.0.1', () => console.log('up'))`
