/** Attacks on the path agent: by a buddy who has the session's key, and by strangers who do not. */
import assert from 'node:assert/strict'
import type { Endpoint } from '../../src/core/endpoint.ts'
import { socketNamed } from '../../src/core/machine.ts'
import type { Candidate } from '../../src/protocol/server/messages.ts'
import { MAX_PAIRS } from '../../src/traversal/pair-table.ts'
import type { NatProfile } from '../../src/protocol/server/nat-profile.ts'
import {
  encodeNoteFrame,
  encodeProbe,
  newTransaction,
  probeKey,
  QUESTION_BYTES,
} from '../../src/traversal/probe.ts'
import { encodePunchNote } from '../../src/traversal/punch-note.ts'
import { SeededRandom } from '../sim/seeded-random.ts'
import { simulate } from '../sim/simulate.ts'
import { at, KEY, Puppet, Stage } from './puppet.ts'

const VICTIM = at('192.0.2.66', 53)

function named(...endpoints: readonly Endpoint[]): Candidate[] {
  return endpoints.map((endpoint) => ({ kind: 'server-reflexive', endpoint }))
}

function countByTarget(stage: Stage): Map<string, number> {
  const counts = new Map<string, number>()
  for (const { to } of stage.sent) {
    const key = `${to.address}:${to.port}`
    counts.set(key, (counts.get(key) ?? 0) + 1)
  }
  return counts
}

describe('PathAgent against a buddy who names a stranger’s address', () => {
  it('sends it five datagrams, whatever else happens', () => {
    simulate(1, (world) => {
      const stage = new Stage(world)
      const accomplice = new Puppet(world, 'accomplice', at('192.0.2.7'))
      accomplice.isAnswering = true
      stage.change((now, agent) => {
        agent.setRemote(now, named(VICTIM, accomplice.endpoint))
        agent.start(now, 0)
      })
      for (let time = 1000; time < 25_000; time += 1000) {
        world.plan(time, () => {
          stage.change((now, agent) => {
            agent.setRemote(now, named(VICTIM)) // again and again
            agent.setLocal(now, [])
            agent.networkChanged(now)
            agent.start(now, 0)
          })
          accomplice.ask(stage.agentEndpoint)
        })
      }

      world.runFor(29_000)

      assert.equal(stage.sentTo(VICTIM).length, 5)
      assert.equal(stage.sentTo(VICTIM, 'response').length, 0)
    })
  })

  it('sends five more for another introduction, and not sooner than in half a minute', () => {
    simulate(1, (world) => {
      const stage = new Stage(world)
      stage.change((now, agent) => {
        agent.setRemote(now, named(VICTIM))
        agent.start(now, 0)
      })
      for (const at of [20_000, 40_000]) {
        world.plan(at, () => stage.change((now, agent) => agent.start(now, 0)))
      }

      world.runFor(39_000)
      assert.equal(stage.sentTo(VICTIM).length, 5)
      world.runFor(60_000)

      assert.equal(stage.sentTo(VICTIM).length, 10)
    })
  })

  it('sends all ports of one address fifteen together', () => {
    simulate(1, (world) => {
      const stage = new Stage(world)
      stage.change((now, agent) => {
        agent.setRemote(
          now,
          named(...[1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map((port) => at('192.0.2.66', port))),
        )
        agent.start(now, 0)
      })

      world.runFor(30_000)

      assert.equal(stage.sent.length, 15)
    })
  })

  it('sends nothing to addresses that are nobody’s, or everybody’s', () => {
    simulate(1, (world) => {
      const stage = new Stage(world)
      const nobody = [
        '255.255.255.255',
        '224.0.0.1',
        '0.0.0.0',
        '240.0.0.1',
        'ff02::1',
        '::',
        'fe80::1',
      ]
      stage.change((now, agent) => {
        agent.setRemote(now, [])
        agent.start(now, 0)
      })
      const offers = [
        nobody.map((address) => at(address)),
        [at('192.0.2.1', 0)],
        [at('127.0.0.1'), at('::1')], // nor ourselves
        [at('192.168.1.1', 80)], // nor a LAN that we are not in
      ]
      for (const offer of offers) {
        stage.change((now, agent) => agent.setRemote(now, named(...offer)))
        world.runFor(10_000)
      }

      assert.equal(stage.sent.length, 0)
      assert.equal(stage.agent.report().reason, 'no-usable-candidates')
    })
  })
})

describe('PathAgent against a buddy who forges source addresses', () => {
  it('sends a stranger three times the bytes that seemed to come from him, and no more', () => {
    simulate(1, (world) => {
      const stage = new Stage(world)
      const puppet = new Puppet(world, 'puppet', at('192.0.2.7'))
      const forge = (): void => {
        const bytes = puppet.probe('request', newTransaction(world.random), stage.agentEndpoint)
        stage.change((now, agent) => agent.handleDatagram(now, VICTIM, bytes))
      }

      forge()
      world.runFor(30_000)
      const once = stage.sent.reduce((sum, { bytes }) => sum + bytes.length, 0)
      assert.equal(once, 3 * QUESTION_BYTES)
      for (let i = 0; i < 9; i++) forge()
      world.runFor(30_000)

      const all = stage.sent.reduce((sum, { bytes }) => sum + bytes.length, 0)
      assert.ok(all <= 30 * QUESTION_BYTES, `${all} bytes`)
    })
  })

  it('keeps at most MAX_PAIRS pairs, and does not lose the one that works', () => {
    simulate(1, (world) => {
      const stage = new Stage(world)
      const puppet = new Puppet(world, 'puppet', at('192.0.2.7'))
      puppet.isAnswering = true
      stage.change((now, agent) => {
        agent.setRemote(now, named(puppet.endpoint))
        agent.start(now, 0)
      })
      world.runFor(1000)

      for (let port = 1; port <= 1000; port++) {
        const bytes = puppet.probe('request', newTransaction(world.random), stage.agentEndpoint)
        stage.change((now, agent) => agent.handleDatagram(now, at('192.0.2.66', port), bytes))
      }
      world.runFor(30_000)

      const remote = stage.agent.report().candidates.filter(({ side }) => side === 'remote')
      assert.equal(remote.length, MAX_PAIRS)
      assert.equal(stage.agent.report().kind, 'direct')
      for (const [target, count] of countByTarget(stage)) {
        if (target !== '192.0.2.7:6000') assert.ok(count <= 4, `${count} to ${target}`)
      }
    })
  })
})

describe('PathAgent against strangers', () => {
  it('ignores what is not authentic, without an answer', () => {
    simulate(1, (world) => {
      const stage = new Stage(world)
      const stranger = new Puppet(world, 'stranger', at('192.0.2.7'))
      const otherKey = probeKey(new Uint8Array(32).fill(8))
      const random = new SeededRandom(3)
      const probe = {
        kind: 'request',
        from: 'responder',
        sequence: 0,
        transaction: newTransaction(random),
        sentAtMs: 0,
        seen: stage.agentEndpoint,
      } as const

      stranger.send(stage.agentEndpoint, encodeProbe(otherKey, probe))
      stranger.send(stage.agentEndpoint, encodeProbe({ ...otherKey, tag: KEY.tag }, probe))
      for (let size = 0; size < 120; size++) {
        stranger.send(stage.agentEndpoint, Buffer.concat([Uint8Array.of(0xc0), random.bytes(size)]))
      }
      world.runFor(30_000)

      assert.equal(stage.sent.length, 0)
      assert.equal(stage.agent.report().packets.ignored, 122)
    })
  })

  it('ignores a question that was recorded and is sent again, from wherever', () => {
    simulate(1, (world) => {
      const stage = new Stage(world)
      const peer = new Puppet(world, 'peer', at('192.0.2.7'))
      const thief = new Puppet(world, 'thief', at('192.0.2.66'))
      const recorded = peer.ask(stage.agentEndpoint)
      world.runFor(1000)
      const before = stage.sent.length

      thief.send(stage.agentEndpoint, recorded)
      peer.send(stage.agentEndpoint, recorded)
      world.runFor(30_000)

      assert.equal(stage.sent.length, before)
      assert.equal(stage.agent.report().packets.ignored, 2)
    })
  })

  it('is not moved by its own probes thrown back', () => {
    simulate(1, (world) => {
      const stage = new Stage(world)
      const mirror = at('192.0.2.7')
      const host = world.host('mirror', { addresses: [mirror.address] })
      const socket = world.open(host, { port: mirror.port }, (from, bytes) =>
        socket.send(from, bytes),
      )
      stage.change((now, agent) => {
        agent.setRemote(now, named(mirror))
        agent.start(now, 0)
      })

      world.runFor(30_000)

      assert.equal(stage.sent.length, 5)
      assert.deepEqual(stage.events, [])
    })
  })

  it('believes no answer to a question that it never asked, and none twice', () => {
    simulate(1, (world) => {
      const stage = new Stage(world)
      const peer = new Puppet(world, 'peer', at('192.0.2.7'))
      peer.answer(stage.agentEndpoint, { transaction: newTransaction(new SeededRandom(4)) })
      world.runFor(100)
      assert.deepEqual(stage.events, [])

      peer.ask(stage.agentEndpoint)
      world.runFor(100)
      const [asked] = peer.heard.filter(({ kind }) => kind === 'request')
      assert.ok(asked !== undefined)
      peer.answer(stage.agentEndpoint, asked)
      peer.answer(stage.agentEndpoint, asked)
      world.runFor(100)

      assert.equal(stage.events.length, 1)
      assert.equal(stage.agent.report().packets.answersHeard, 1)
    })
  })

  it('answers nobody under the policy relay, however authentic', () => {
    simulate(1, (world) => {
      const stage = new Stage(world, { policy: 'relay' })
      const peer = new Puppet(world, 'peer', at('192.0.2.7'))
      stage.change((now, agent) => {
        agent.setRemote(now, named(peer.endpoint))
        agent.start(now, 0)
      })

      peer.ask(stage.agentEndpoint)
      world.runFor(30_000)

      assert.equal(stage.sent.length, 0)
      assert.equal(stage.agent.report().reason, 'policy-relay')
    })
  })

  it('takes nothing from a relay socket that is not its own', () => {
    simulate(1, (world) => {
      const stage = new Stage(world)
      const peer = new Puppet(world, 'peer', at('192.0.2.7'))
      const bytes = peer.probe('request', newTransaction(world.random), stage.agentEndpoint)

      stage.change((now, agent) => {
        agent.handleDatagram(now, at('203.0.113.1'), bytes, socketNamed('relay:other'))
      })
      world.runFor(1000)

      assert.equal(stage.sent.length, 0)
    })
  })
})

describe('PathAgent against a buddy who wants a stranger sprayed', () => {
  const fixed: NatProfile = {
    mapping: 'endpoint-independent',
    filtering: 'address-and-port-dependent',
    ports: { kind: 'preserve' },
    isPooled: false,
  }
  const random: NatProfile = {
    ...fixed,
    mapping: 'address-and-port-dependent',
    ports: { kind: 'random', low: 1024, high: 65_535 },
  }
  const relay = { to: at('203.0.113.1', 3480), via: socketNamed('relay:00') }
  const own: Candidate = { kind: 'server-reflexive', endpoint: at('198.51.100.10', 5000) }

  /** The buddy says all that an honest one would say: ready, heard, a port. */
  function runAttempt(stage: Stage, remote: readonly Candidate[]): void {
    stage.change((now, agent) => {
      agent.setLocal(now, [own])
      agent.setNats(now, { local: fixed, remote: random })
      agent.setRemote(now, remote)
      agent.start(now, 0)
      agent.relayReady(now, relay)
    })
    for (let time = 1; time <= 200; time++) {
      stage.world.plan(time * 50, () => {
        const body = encodePunchNote({
          number: 1,
          strategy: { kind: 'birthday', active: 'initiator' },
          isReady: true,
          hasHeard: true,
          isDone: true,
          port: VICTIM.port,
        })
        const bytes = encodeNoteFrame(KEY, { from: 'responder', sequence: time, body })
        stage.change((now, agent) => agent.handleDatagram(now, relay.to, bytes, relay.via))
      })
    }
    stage.world.runFor(30_000)
  }

  function direct(stage: Stage): Map<string, number> {
    const counts = new Map<string, number>()
    for (const { to } of stage.sent) counts.set(to.address, (counts.get(to.address) ?? 0) + 1)
    counts.delete(relay.to.address)
    return counts
  }

  it('sprays no address that the server did not attest: a host candidate gets its five', () => {
    simulate(1, (world) => {
      const stage = new Stage(world)

      runAttempt(stage, [
        { kind: 'host', endpoint: VICTIM },
        { kind: 'mapped', endpoint: VICTIM },
      ])

      assert.deepEqual(direct(stage), new Map([[VICTIM.address, 5]]))
      assert.deepEqual(stage.agent.report().attempts, [])
    })
  })

  it('sprays the attested address alone, within the budget, whatever else is named', () => {
    simulate(1, (world) => {
      const stage = new Stage(world)
      const attested = at('192.0.2.7', 40_000)

      runAttempt(stage, [
        { kind: 'host', endpoint: VICTIM },
        { kind: 'server-reflexive', endpoint: attested },
      ])

      const counts = direct(stage)
      assert.deepEqual([...counts.keys()].sort(), [VICTIM.address, attested.address])
      assert.equal(counts.get(VICTIM.address), 5)
      assert.ok((counts.get(attested.address) ?? 0) >= 1024)
      // Two attempts an hour, openers and probes of plain punching beside them.
      assert.ok((counts.get(attested.address) ?? 0) <= 2 * 1024 + 15)
    })
  })

  it('answers no note that does not come through the relay', () => {
    simulate(1, (world) => {
      const stage = new Stage(world, { role: 'responder' })
      stage.change((now, agent) => {
        agent.setLocal(now, [own])
        agent.setNats(now, { local: random, remote: fixed })
        agent.setRemote(now, named(at('192.0.2.7', 40_000)))
        agent.start(now, 0)
        agent.relayReady(now, relay)
      })
      const body = encodePunchNote({
        number: 1,
        strategy: { kind: 'birthday', active: 'initiator' },
        isReady: true,
        hasHeard: false,
        isDone: false,
        port: undefined,
      })
      const note = (sequence: number): Uint8Array =>
        encodeNoteFrame(KEY, { from: 'initiator', sequence, body })

      stage.change((now, agent) => agent.handleDatagram(now, at('192.0.2.7', 40_000), note(1)))
      assert.equal(stage.events.filter(({ event }) => event.kind === 'socket-wanted').length, 0)

      stage.change((now, agent) => agent.handleDatagram(now, relay.to, note(2), relay.via))
      assert.equal(stage.events.filter(({ event }) => event.kind === 'socket-wanted').length, 256)
    })
  })
})
