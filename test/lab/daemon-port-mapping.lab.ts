import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type Namespace, Namespaces } from '../../scripts/lab/namespaces.ts'
import { befriend, Person, startServer } from '../support/household.ts'
import { stopAllPrograms } from '../support/programs.ts'
import { endAll, Gateway, hasMiniupnpd } from './miniupnpd.ts'
import { sendAndReceive } from './support.ts'

/*
 *     alice ── gateway with miniupnpd ── server ── router, another port for each destination ── bob
 *  10.9.0.2    10.9.0.1      11.0.0.2    11.0.0.1, .3    11.1.0.1   11.1.0.2    10.8.0.1      10.8.0.2
 */
const GATEWAY = '11.0.0.2'
const SERVER = '11.0.0.1'
const SECOND = '11.0.0.3'

const WITHIN_MS = 20_000

describe('a daemon behind a gateway that maps ports', () => {
  let namespaces: Namespaces
  let directory: string
  let gateway: Gateway
  let alice: Person
  let bob: Person

  before(async function () {
    if (!hasMiniupnpd) this.skip() // on Debian: apt-get install miniupnpd-nftables
    namespaces = new Namespaces(`hlab-${process.pid}-dm`)
    directory = await mkdtemp(join(tmpdir(), 'hlab-dm-'))
    const [server, aliceHost, bobHost] = await buildNetwork()
    const { link } = await startServer({
      dataDir: join(directory, 'server'),
      listen: `${SERVER}:7443`,
      udp: `${SERVER}:3478`,
      udpAlt: `${SECOND}:3479`,
      prefix: server.prefix,
    })
    const person = (name: string, { prefix }: Namespace): Person =>
      new Person({ name, directory: join(directory, name), prefix })
    alice = person('alice', aliceHost)
    bob = person('bob', bobHost)
    await Promise.all([alice.startDaemon(), bob.startDaemon()])
    await Promise.all([alice.register(link), bob.register(link)])
    await befriend(alice, bob)
  })

  after(async () => {
    if (!hasMiniupnpd) return
    await stopAllPrograms()
    await endAll()
    await namespaces.close()
    await rm(directory, { recursive: true, force: true })
  })

  async function buildNetwork(): Promise<readonly [Namespace, Namespace, Namespace]> {
    const [server, home, symmetric, aliceHost, bobHost] = await Promise.all([
      namespaces.add('server'),
      namespaces.add('gateway'),
      namespaces.add('symmetric'),
      namespaces.add('alice'),
      namespaces.add('bob'),
    ])
    await connect(
      { namespace: server, name: 'eth0', addresses: [`${SERVER}/24`, `${SECOND}/24`] },
      { namespace: home, name: 'wan', addresses: [`${GATEWAY}/24`] },
    )
    await connect(
      { namespace: server, name: 'eth1', addresses: ['11.1.0.1/24'] },
      { namespace: symmetric, name: 'wan', addresses: ['11.1.0.2/24'] },
    )
    await connect(
      { namespace: home, name: 'lan', addresses: ['10.9.0.1/24'] },
      { namespace: aliceHost, name: 'eth0', addresses: ['10.9.0.2/24'] },
    )
    await connect(
      { namespace: symmetric, name: 'lan', addresses: ['10.8.0.1/24'] },
      { namespace: bobHost, name: 'eth0', addresses: ['10.8.0.2/24'] },
    )
    await Promise.all([server.forward(), home.forward(), symmetric.forward()])
    await home.route('default', SERVER)
    await symmetric.route('default', '11.1.0.1')
    await aliceHost.route('default', '10.9.0.1')
    await bobHost.route('default', '10.8.0.1')
    symmetric.nft(SYMMETRIC_RULES)
    gateway = new Gateway(home, directory)
    await gateway.start()
    return [server, aliceHost, bobHost]
  }

  const mapped = (): readonly string[] => gateway.mappings().match(/dnat ip to \S+/g) ?? []

  it('is reached directly by a buddy behind a symmetric NAT, through the mapped port', async () => {
    await sendAndReceive(bob, alice, 'first words')
    const path = await bob.pathOfKind('alice', ['direct'], WITHIN_MS)

    const { forwarded } = await alice.request('net.status', {})
    assert.equal(mapped().length, 1)
    assert.match(forwarded ?? '', /^11\.0\.0\.2:\d+$/)
    const offered = path.candidates.filter(
      ({ side, kind }) => side === 'remote' && kind === 'mapped',
    )
    assert.deepEqual(
      offered.map(({ endpoint }) => endpoint),
      [forwarded],
    )
    assert.equal(path.remote, forwarded)
    await sendAndReceive(alice, bob, 'and back')
  })

  it('that was killed finds its mapping again, and makes no second one', async () => {
    await alice.stopDaemon('SIGKILL')
    assert.equal(mapped().length, 1)

    await alice.startDaemon()
    await sendAndReceive(bob, alice, 'still there')
    await bob.pathOfKind('alice', ['direct'], WITHIN_MS)

    assert.equal(mapped().length, 1)
  })

  it('takes its mapping away when it ends', async () => {
    await alice.stopDaemon()

    assert.deepEqual(mapped(), [])
  })
})

/* Another port for each destination; nobody gets in who was not spoken to. */
const SYMMETRIC_RULES = `
  table ip nat {
    chain prerouting { type nat hook prerouting priority dstnat; }
    chain postrouting { type nat hook postrouting priority srcnat; oifname "wan" masquerade random; }
  }
  table ip filter {
    chain input {
      type filter hook input priority filter; policy drop;
      ct state established,related accept
      iifname != "wan" accept
    }
  }`
