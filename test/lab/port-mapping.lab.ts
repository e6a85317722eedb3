import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { connect, type Namespace, Namespaces } from '../../scripts/lab/namespaces.ts'
import { Child, endAll, Gateway, hasMiniupnpd, type Mapped } from './miniupnpd.ts'

/*
 *     outside ─── wan, gateway with miniupnpd, lan ─── host
 *     11.0.0.1    11.0.0.2             10.9.0.1       10.9.0.2
 *
 * miniupnpd maps nothing on an address of the documentation's networks, so the outside has addresses that look
 * public; nothing leaves the namespaces.
 */
const OUTSIDE = '11.0.0.1'
const PUBLIC = '11.0.0.2'
const GATEWAY = '10.9.0.1'
const HOST = '10.9.0.2'

/** 250 ms are what is wanted, and what virtual time proves; a busy machine may need more, a lost answer 3 s. */
const SOON_MS = 1000
const HOST_PROGRAM = fileURLToPath(new URL('port-mapping-host.ts', import.meta.url))

describe('PortMapper against miniupnpd', () => {
  let namespaces: Namespaces
  let outside: Namespace
  let gateway: Namespace
  let host: Namespace
  let directory: string
  let miniupnpd: Gateway

  before(async function () {
    if (!hasMiniupnpd) this.skip() // on Debian: apt-get install miniupnpd-nftables
    namespaces = new Namespaces(`hlab-${process.pid}-pm`)
    directory = await mkdtemp(join(tmpdir(), 'hlab-pm-'))
    ;[outside, gateway, host] = await Promise.all([
      namespaces.add('outside'),
      namespaces.add('gateway'),
      namespaces.add('host'),
    ])
    await connect(
      { namespace: outside, name: 'eth0', addresses: [`${OUTSIDE}/24`] },
      { namespace: gateway, name: 'wan', addresses: [`${PUBLIC}/24`] },
    )
    await connect(
      { namespace: gateway, name: 'lan', addresses: [`${GATEWAY}/24`] },
      { namespace: host, name: 'eth0', addresses: [`${HOST}/24`] },
    )
    await gateway.forward()
    await gateway.route('default', OUTSIDE)
    await host.route('default', GATEWAY)
    miniupnpd = new Gateway(gateway, directory)
    await miniupnpd.start()
  })

  after(async () => {
    if (!hasMiniupnpd) return
    await endAll()
    await namespaces.close()
    await rm(directory, { recursive: true, force: true })
  })

  for (const mechanism of ['pcp', 'nat-pmp', 'upnp']) {
    describe(`by ${mechanism}`, () => {
      let mapper: Child
      let mapped: Mapped

      it('maps a UDP port', async () => {
        mapper = startMapper(mechanism)
        mapped = await mapper.event('mapped')

        assert.equal(mapped.by, mechanism)
        assert.equal(mapped.external.address, PUBLIC)
        assert.equal(mapped.isPermanent, false)
        assert.ok(mapped.afterMs < SOON_MS, `${mapped.afterMs} ms`)
      })

      it('a datagram from outside comes through', async () => {
        await sendFromOutside(mapped.external.port, `hello by ${mechanism}`)
        const datagram = await mapper.event<{ from: { address: string }; text: string }>('datagram')

        assert.equal(datagram.from.address, OUTSIDE)
        assert.equal(datagram.text, `hello by ${mechanism}`)
      })

      it('the gateway lists it', () => {
        assert.match(miniupnpd.mappings(), entry(mapped))
      })

      it('makes it again when the gateway has restarted and forgotten it', async () => {
        await miniupnpd.stop()
        miniupnpd.forgetMappings()
        await miniupnpd.start()
        assert.doesNotMatch(miniupnpd.mappings(), entry(mapped))

        mapper.command('check')
        const again = await mapper.event('mapped', 1)

        assert.equal(again.external.port, mapped.external.port)
        assert.match(miniupnpd.mappings(), entry(mapped))
      })

      it('it is gone after release', async () => {
        mapper.command('release')
        const released = await mapper.event<{ isConfirmed: boolean }>('released')

        assert.equal(released.isConfirmed, true)
        assert.doesNotMatch(miniupnpd.mappings(), entry(mapped))
      })
    })
  }

  describe('by whatever there is', () => {
    it('finds all three and makes one mapping, by PCP', async () => {
      const mapper = startMapper('pcp', 'nat-pmp', 'upnp')
      const mapped = await mapper.event('mapped')
      await Promise.all([0, 1, 2].map((index) => mapper.event('available', index)))

      assert.equal(mapped.by, 'pcp')
      assert.ok(mapped.afterMs < SOON_MS, `${mapped.afterMs} ms`)
      assert.equal(miniupnpd.mappings().match(/dnat/g)?.length, 1)

      mapper.command('release')
      await mapper.event('released')
      assert.equal(miniupnpd.mappings().match(/dnat/g), null)
    })
  })

  describe('by the one thing there is', () => {
    it('takes UPnP, without waiting for long, where nobody speaks PCP or NAT-PMP', async () => {
      await miniupnpd.stop()
      await miniupnpd.start({ speaksNatPmp: false })

      const mapper = startMapper('pcp', 'nat-pmp', 'upnp')
      const mapped = await mapper.event('mapped')

      assert.equal(mapped.by, 'upnp')
      assert.ok(mapped.afterMs < SOON_MS, `${mapped.afterMs} ms`)
      assert.match(miniupnpd.mappings(), entry(mapped))

      mapper.command('release')
      await mapper.event('released')
      assert.doesNotMatch(miniupnpd.mappings(), entry(mapped))
    })
  })

  function startMapper(...mechanisms: readonly string[]): Child {
    const node = [process.execPath, '--import', 'tsx/esm']
    return new Child(host, [...node, HOST_PROGRAM, ...mechanisms])
  }

  async function sendFromOutside(port: number, text: string): Promise<void> {
    const script = `
      const socket = require('dgram').createSocket('udp4')
      socket.send('${text}', ${port}, '${PUBLIC}', () => socket.close())`
    await outside.run(process.execPath, '-e', script)
  }
})

/** The gateway's rule for a mapping: nft says the destination as `10.9.0.2:40000`. */
function entry({ external }: Mapped): RegExp {
  return new RegExp(`dport ${external.port} .*dnat ip to ${HOST.replaceAll('.', '\\.')}:\\d+`)
}
