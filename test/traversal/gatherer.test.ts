import assert from 'node:assert/strict'
import { formatEndpoint } from '../../src/core/endpoint.ts'
import { BindingServer } from '../../src/stun/binding-server.ts'
import { bindingSocketId } from '../../src/stun/binding-sockets.ts'
import { Gatherer, type GathererEvent } from '../../src/traversal/gatherer.ts'
import type { Host } from '../sim/host.ts'
import { natKinds } from '../sim/nat-kinds.ts'
import type { Router } from '../sim/router.ts'
import { simulate } from '../sim/simulate.ts'
import type { Running, World } from '../sim/world.ts'
import { at } from './puppet.ts'

const SERVERS = [at('203.0.113.1', 3478), at('203.0.113.2', 3478)] as const

interface Scene {
  readonly world: World
  readonly gatherer: Gatherer
  readonly running: Running
  readonly router: Router
  readonly server: Host
  readonly events: { readonly at: number; readonly event: GathererEvent }[]
  readonly stun: Running
}

function scene(body: (scene: Scene) => void): void {
  simulate(1, (world) => {
    const server = world.host('server', { addresses: SERVERS.map(({ address }) => address) })
    const sockets = SERVERS.map((endpoint, index) => ({
      id: bindingSocketId(index === 0 ? 1 : 2, 1),
      endpoint,
    }))
    const stun = world.attach(server, new BindingServer({ sockets }), {
      sockets: Object.fromEntries(sockets.map(({ id, endpoint }) => [String(id), endpoint])),
    })
    const nat = {
      ...natKinds.portRestricted,
      ports: { kind: 'sequential', first: 20_000 },
    } as const
    const router = world.router('home', { addresses: ['198.51.100.1'], nat })
    const host = world.host('host', { behind: router, addresses: ['192.168.1.5'] })
    const gatherer = new Gatherer({ random: host.random })
    const events: Scene['events'] = []
    const running = world.attach(host, gatherer, {
      port: 5000,
      onEvent: (event) => events.push({ at: world.now, event }),
    })
    body({ world, gatherer, running, router, server, events, stun })
  })
}

function begin(
  { running, gatherer }: Scene,
  servers = SERVERS as readonly (typeof SERVERS)[0][],
): void {
  running.change((now) => {
    gatherer.setServers(now, servers)
    gatherer.setLocalAddresses(now, ['192.168.1.5'], 5000)
  })
}

function namesOf(gatherer: Gatherer): string[] {
  return gatherer.candidates.map(({ kind, endpoint }) => `${kind} ${formatEndpoint(endpoint)}`)
}

function finished({ events }: Scene): { at: number; isSilent: boolean }[] {
  return events.flatMap(({ at: time, event }) =>
    event.kind === 'gathering-finished' ? [{ at: time, isSilent: event.isSilent }] : [],
  )
}

describe('Gatherer', () => {
  it('offers host candidates at once and server-reflexive ones a round trip later', () => {
    scene((it) => {
      begin(it)
      assert.deepEqual(namesOf(it.gatherer), ['host 192.168.1.5:5000'])

      it.world.runFor(1000)

      assert.deepEqual(namesOf(it.gatherer), [
        'host 192.168.1.5:5000',
        'server-reflexive 198.51.100.1:20000',
      ])
      assert.deepEqual(finished(it).at(-1), { at: 40, isSilent: false })
    })
  })

  it('does not wait for a silent server beyond 1.2 s', () => {
    scene((it) => {
      begin(it, [SERVERS[0], at('203.0.113.99', 3478)])

      it.world.runFor(5000)

      assert.deepEqual(finished(it).at(-1), { at: 1200, isSilent: false })
    })
  })

  it('asks five times within 3 s and then says that nobody answers', () => {
    scene((it) => {
      it.stun.stop()
      begin(it)

      it.world.runFor(5000)

      assert.deepEqual(finished(it).at(-1), { at: 3000, isSilent: true })
      assert.equal(it.world.trace.count('sent'), 10)
    })
  })

  it('is done at once where there are no servers', () => {
    scene((it) => {
      begin(it, [])

      assert.deepEqual(finished(it).at(-1), { at: 0, isSilent: false })
      it.world.runFor(100_000)
      assert.equal(it.world.trace.count('sent'), 0)
    })
  })

  it('asks one server every 20 to 26 s, and everybody when the public address is another', () => {
    scene((it) => {
      begin(it)
      it.world.runFor(10 * 60_000)
      const asked = it.world.trace.count('sent') / 2
      assert.ok(asked >= 2 + 600 / 26 - 1 && asked <= 2 + 600 / 20, `${asked}`)
      const before = it.events.length

      it.router.reboot(['198.51.100.99'])
      it.world.runFor(27_000)

      const news = it.events.slice(before).map(({ event }) => event.kind)
      assert.deepEqual(news.slice(0, 1), ['public-address-changed'])
      assert.deepEqual(news.at(-1), 'gathering-finished')
      assert.deepEqual(namesOf(it.gatherer), [
        'host 192.168.1.5:5000',
        'server-reflexive 198.51.100.99:20000',
      ])
    })
  })

  it('believes what it knew while it asks anew, and not when the interfaces are others', () => {
    scene((it) => {
      begin(it)
      it.world.runFor(1000)

      it.running.change((now) => it.gatherer.gather(now))
      assert.equal(it.gatherer.candidates.length, 2)
      it.running.change((now) => it.gatherer.setLocalAddresses(now, ['10.0.0.3'], 5000))

      assert.deepEqual(namesOf(it.gatherer), ['host 10.0.0.3:5000'])
    })
  })

  it('finds UDP again within seconds while somebody waits for it, for two minutes', () => {
    for (const waitsMs of [30_000, 60_000, 115_000]) {
      scene((it) => {
        begin(it)
        it.world.runFor(10_000)
        const link = it.router.outside
        link.up.conditions = { loss: 1 }
        it.running.change((now) => it.gatherer.watchClosely(now))
        it.world.runFor(waitsMs)
        assert.deepEqual(finished(it).at(-1)?.isSilent, true)
        it.events.length = 0

        link.up.conditions = {}
        const backAt = it.world.now
        it.world.runFor(3_000)

        const found = finished(it).find(({ isSilent }) => !isSilent)
        assert.ok(found !== undefined && found.at <= backAt + 1_500, `${found?.at} ${backAt}`)
      })
    }
    scene((it) => {
      begin(it)
      it.world.runFor(10_000)
      it.router.outside.up.conditions = { loss: 1 }
      it.running.change((now) => it.gatherer.watchClosely(now))
      it.world.runFor(130_000)
      it.events.length = 0

      it.world.runFor(58_000)

      assert.ok(finished(it).length <= 3, 'as seldom as ever')
    })
  })

  it('asks one server once in a second while somebody waits and it answers', () => {
    scene((it) => {
      begin(it)
      it.world.runFor(10_000)
      it.running.change((now) => it.gatherer.watchClosely(now))
      let asked = 0
      it.world.tap((stage, { to }) => {
        if (stage === 'received' && to.port === 3478) asked += 1
      })

      it.world.runFor(9_500)
      const whileClose = asked
      it.running.change((now) => it.gatherer.setServers(now, SERVERS))
      it.world.runFor(10_000)

      assert.ok(whileClose >= 8 && whileClose <= 10, String(whileClose))
      assert.equal(asked - whileClose, SERVERS.length)
    })
  })

  it('finds UDP again after an outage', () => {
    scene((it) => {
      it.router.isBlockingUdp = true
      begin(it)
      it.world.runFor(10_000)
      assert.equal(finished(it).at(-1)?.isSilent, true)

      it.router.isBlockingUdp = false
      it.world.runFor(30_000)

      assert.equal(it.gatherer.candidates.length, 2)
    })
  })
})
