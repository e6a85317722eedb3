import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildHome } from '../../scripts/lab/homes.ts'
import type { Namespace } from '../../scripts/lab/namespaces.ts'
import { assertNothingLost } from './letters.ts'
import { acquaint, meet } from './meeting.ts'
import { Child, endAll } from './miniupnpd.ts'
import { record } from './results.ts'
import { CITY_LINE, type Resident, townOfSuite } from './town.ts'

const PROXY_PORT = 3128

/** Debian's tinyproxy as an office has it: tunnels to HTTPS's port, for the LAN alone. */
const TINYPROXY_CONF = `
Port ${PROXY_PORT}
Timeout 600
MaxClients 50
LogLevel Info
Allow 10.0.0.0/8
ConnectPort 443
`

describe('an office that nothing leaves but what its HTTP proxy carries', () => {
  const town = townOfSuite()
  let directory: string
  let alice: Resident
  let bob: Resident

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'hproxy-'))
    const [neighbour] = await town().settle([{ name: 'bob', kind: 'port-restricted cone' }])
    assert.ok(neighbour !== undefined)
    bob = neighbour
    const options = { line: CITY_LINE, seed: 2 }
    const home = await buildHome(town().internet, 'port-restricted cone', options)
    const proxyHost = await home.edge.addHost()
    await startProxy(proxyHost.namespace)
    await home.host.namespace.ip('route delete default')
    const proxy = `http://${proxyHost.address}:${PROXY_PORT}`
    const person = await town().moveIn('alice', home, { environment: [`https_proxy=${proxy}`] })
    alice = { home, person }
  })

  after(async () => {
    await endAll()
    await rm(directory, { recursive: true, force: true })
  })

  async function startProxy(namespace: Namespace): Promise<void> {
    const conf = join(directory, 'tinyproxy.conf')
    await writeFile(conf, TINYPROXY_CONF)
    const proxy = new Child(namespace, ['tinyproxy', '-d', '-c', conf])
    await proxy.line(/Accepting connections/)
  }

  it('talks to a home over the relay, inside TLS', async () => {
    await acquaint(alice, bob)
    const meeting = await meet(alice, bob)
    await assertNothingLost(alice.person, bob.person)
    await assertNothingLost(bob.person, alice.person)
    record({ group: 'meetings', name: 'nothing but an HTTP proxy on one side', meeting })

    assert.equal(meeting.path, 'relay', JSON.stringify(meeting))
    assert.equal(meeting.relay, 'tls')
  })
})
