import assert from 'node:assert/strict'
import { socketNamed } from '../../src/core/machine.ts'
import type { Candidate } from '../../src/protocol/server/messages.ts'
import type { PathAgentEvent } from '../../src/traversal/path-agent.ts'
import { simulate } from '../sim/simulate.ts'
import { at, Puppet, Stage } from './puppet.ts'

const PEER = at('192.0.2.7')
const RELAY = { to: at('203.0.113.1', 3480), via: socketNamed('relay:00') }

function reflexive(...endpoints: readonly ReturnType<typeof at>[]): Candidate[] {
  return endpoints.map((endpoint) => ({ kind: 'server-reflexive', endpoint }))
}

describe('PathAgent: a round of punching on a calm network', () => {
  it('sends an opener at once and one at T0, then probes at 20, 200 and 1600 ms, and no more', () => {
    simulate(1, (world) => {
      const stage = new Stage(world)

      stage.change((now, agent) => {
        agent.setRemote(now, reflexive(PEER))
        agent.start(now, 150)
      })
      world.runFor(60_000)

      assert.deepEqual(
        stage.sentTo(PEER).map((probe) => [probe.at - 150, probe.ttl]),
        [
          [-150, 4],
          [0, 4],
          [20, 64],
          [200, 64],
          [1600, 64],
        ],
      )
      assert.equal(stage.agent.report().reason, 'nothing-heard')
      assert.equal(world.trace.count('dropped:ttl'), 2)
    })
  })

  it('climbs the whole ladder once the peer has shown itself', () => {
    simulate(1, (world) => {
      const stage = new Stage(world)
      const peer = new Puppet(world, 'peer', PEER)
      stage.change((now, agent) => {
        agent.setRemote(now, reflexive(PEER))
        agent.start(now, 0)
      })
      for (let time = 5; time < 11_000; time += 100) {
        world.plan(time, () => peer.ask(stage.agentEndpoint))
      }

      world.runFor(12_000)

      const asked = stage.sentTo(PEER).map((probe) => probe.at)
      for (const rung of [20, 50, 100, 200, 400, 800, 1600, 3600, 5600, 7600, 9600]) {
        assert.ok(asked.includes(rung), `${rung} of ${asked.join()}`)
      }
      assert.equal(stage.agent.report().reason, 'heard-but-unanswered')
    })
  })

  it('answers the first question at 0, 20 and 60 ms and asks back at once', () => {
    simulate(1, (world) => {
      const stage = new Stage(world)
      const peer = new Puppet(world, 'peer', PEER)

      peer.ask(stage.agentEndpoint) // a stranger by address, but authentic: peer-reflexive
      world.runFor(15_000)

      assert.deepEqual(
        stage.sentTo(PEER, 'response').map((probe) => probe.at),
        [20, 40, 80],
      )
      assert.deepEqual(
        stage.sentTo(PEER).map((probe) => [probe.at, probe.ttl]),
        [[20, 64]],
      )
      peer.ask(stage.agentEndpoint)
      world.runFor(5)
      world.runFor(100)
      assert.equal(stage.sentTo(PEER, 'response').length, 4, 'later ones are answered once')
    })
  })

  it('paces probes 4 ms apart, the likeliest targets first', () => {
    simulate(1, (world) => {
      const stage = new Stage(world, {
        local: [
          { kind: 'host', endpoint: at('192.168.1.5', 5000) },
          { kind: 'host', endpoint: at('2001:db8:1::5', 5000) },
        ],
      })
      stage.change((now, agent) => {
        agent.setRemote(now, [
          ...reflexive(PEER),
          { kind: 'mapped', endpoint: at('192.0.2.8') },
          { kind: 'host', endpoint: at('2001:db8:2::7') },
          { kind: 'host', endpoint: at('192.168.1.9', 6001) },
          { kind: 'host', endpoint: at('172.16.0.9', 6001) },
        ])
        agent.start(now, 0)
      })

      world.runFor(2000)

      const firsts = new Map<string, number>()
      for (const probe of stage.sent) {
        if (!firsts.has(probe.to.address)) firsts.set(probe.to.address, probe.at)
      }
      assert.deepEqual(
        [...firsts],
        [
          ['2001:db8:2::7', 0],
          ['192.0.2.8', 4],
          ['192.0.2.7', 8], // server-reflexive, then the guess of its local port
          ['192.168.1.9', 20],
          ['172.16.0.9', 52],
        ],
      )
      const times = stage.sent.map((probe) => probe.at)
      for (const [index, time] of times.entries()) {
        if (index > 0) assert.ok(time - (times[index - 1] ?? 0) >= 4)
      }
    })
  })

  it('sends nothing but an opener before T0, and joins late candidates to the round', () => {
    simulate(1, (world) => {
      const stage = new Stage(world)
      stage.change((now, agent) => {
        agent.setRemote(now, reflexive(PEER))
        agent.start(now, 500)
      })
      world.runFor(499)
      assert.deepEqual(
        stage.sent.map((probe) => [probe.at, probe.ttl]),
        [[0, 4]],
      )

      world.runFor(151)
      stage.change((now, agent) => agent.setRemote(now, reflexive(at('192.0.2.9'))))
      world.runFor(2000)

      assert.deepEqual(
        stage.sentTo(at('192.0.2.9')).map((probe) => probe.at),
        [650, 660, 670, 850, 2250],
      )
    })
  })
})

describe('PathAgent: a peer that moves', () => {
  it('asks nothing more where the peer offers to be no longer', () => {
    simulate(1, (world) => {
      const stage = new Stage(world)
      const [before, after] = [at('192.0.2.7', 4001), at('192.0.2.7', 4002)]
      stage.change((now, agent) => {
        agent.setRemote(now, reflexive(before))
        agent.start(now, 0)
      })
      world.runFor(40_000) // its purse is full again

      stage.change((now, agent) => {
        agent.setRemote(now, reflexive(after))
        agent.start(now, 0)
      })
      world.runFor(10_000)

      assert.equal(stage.sentTo(before).length, 5)
      assert.equal(stage.sentTo(after).length, 5)
    })
  })

  it('finds room for what the peer offers however often it has moved', () => {
    simulate(1, (world) => {
      const stage = new Stage(world)
      stage.change((now, agent) => agent.start(now, 0))
      for (let move = 0; move < 15; move++) {
        const offer = Array.from({ length: 10 }, (_, index) =>
          at(`198.51.100.${10 * move + index}`),
        )
        stage.change((now, agent) => agent.setRemote(now, reflexive(...offer)))
        world.runFor(10_000)
      }

      assert.equal(stage.sentTo(at('198.51.100.149')).length, 5)
    })
  })
})

describe('PathAgent: openers', () => {
  const times = (startInMs: number, learntAt: number, again?: number): readonly number[] => {
    let found: readonly number[] = []
    simulate(1, (world) => {
      const stage = new Stage(world)
      stage.change((now, agent) => agent.start(now, startInMs))
      world.plan(learntAt, () => {
        stage.change((now, agent) => agent.setRemote(now, reflexive(PEER)))
      })
      if (again !== undefined) {
        world.plan(again, () => stage.change((now, agent) => agent.networkChanged(now)))
      }
      world.runFor(3000)
      found = stage.sentTo(PEER).map((probe) => probe.at)
    })
    return found
  }

  it('leave as soon as the candidate is known, and at T0', () => {
    assert.deepEqual(times(150, 60), [60, 150, 170, 350, 1750])
  })

  it('are ten ms apart where T0 is nearer than that, is now, or is past', () => {
    assert.deepEqual(times(150, 145), [145, 155, 170, 350, 1750])
    assert.deepEqual(times(0, 0), [0, 10, 20, 200, 1600])
    assert.deepEqual(times(150, 400), [400, 410, 420, 600, 2000])
  })

  it('leave at once and ten ms later when the network changes, within the same five questions', () => {
    assert.deepEqual(times(150, 60, 300), [60, 150, 170, 300, 310])
  })
})

describe('PathAgent: a working path', () => {
  it('is selected when our own question is answered, and not before', () => {
    simulate(1, (world) => {
      const stage = new Stage(world)
      const peer = new Puppet(world, 'peer', PEER)

      peer.ask(stage.agentEndpoint)
      world.runFor(100)
      assert.deepEqual(stage.events, [])
      peer.isAnswering = true
      peer.ask(stage.agentEndpoint)
      world.runFor(59)
      assert.deepEqual(stage.events, [])
      world.runFor(1)

      assert.deepEqual(stage.events, [
        {
          at: 160,
          event: { kind: 'path-selected', path: { to: PEER }, pathKind: 'direct', rttMs: 40 },
        },
      ])
      assert.deepEqual(stage.agent.report().local, stage.agentEndpoint)
      assert.equal(stage.agent.report().reason, 'direct')
    })
  })

  function connected(seed: number, body: (stage: Stage, peer: Puppet) => void): void {
    simulate(seed, (world) => {
      const stage = new Stage(world)
      const peer = new Puppet(world, 'peer', PEER)
      peer.isAnswering = true
      stage.change((now, agent) => {
        agent.relayReady(now, RELAY)
        agent.setRemote(now, reflexive(PEER))
        agent.start(now, 0)
      })
      world.runFor(1000)
      assert.equal(stage.agent.report().kind, 'direct')
      body(stage, peer)
    })
  }

  it('is asked every 15 s when idle, every 2 s while data flows, and 45 s after that idly again', () => {
    connected(1, (stage) => {
      const { world } = stage
      const intervals = (): number[] => {
        const times = stage.sentTo(PEER).map((probe) => probe.at)
        return times.slice(-4).map((time, index, all) => time - (all[index - 1] ?? time))
      }
      world.runFor(60_000)
      assert.deepEqual(intervals().slice(1), [15_000, 15_000, 15_000])

      stage.change((now, agent) => agent.dataFlowed(now))
      world.runFor(10_000)
      assert.deepEqual(intervals().slice(1), [2000, 2000, 2000])

      world.runFor(100_000)
      assert.deepEqual(intervals().slice(1), [15_000, 15_000, 15_000])
    })
  })

  it('goes back to the relay when its trust ends: 5 s after the last answer while data flows', () => {
    connected(1, (stage, peer) => {
      const { world } = stage
      stage.change((now, agent) => agent.dataFlowed(now))
      world.runFor(1000)
      const lastAnswerAt = 1000 + 40
      peer.isAnswering = false

      world.runFor(10_000)

      const lost = stage.events.slice(-2)
      assert.deepEqual(
        lost.map(({ at: time, event }) => [time - lastAnswerAt, ...kindsOf(event)]),
        [
          [5000, 'path-lost', 'direct'],
          [5000, 'path-selected', 'relay'],
        ],
      )
      assert.equal(stage.agent.report().reason, 'direct-lost')
    })
  })

  it('goes back to the relay in the same moment when data stalls, and punches again', () => {
    connected(1, (stage) => {
      const { world } = stage
      const before = stage.sentTo(PEER).length

      stage.change((now, agent) => agent.pathStalled(now))

      assert.equal(stage.agent.report().kind, 'relay')
      assert.ok(stage.agent.report().strategies.includes('punch-again'))
      world.runFor(60)
      assert.equal(stage.agent.report().kind, 'direct', 'the peer still answers')
      assert.ok(stage.sentTo(PEER).length > before)
    })
  })

  it('comes back within half a minute when it is no longer slower than the relay, while data flows', () => {
    connected(1, (stage, peer) => {
      const { world } = stage
      const relay = new Puppet(world, 'relay', RELAY.to, 500)
      relay.isAnswering = true
      stage.running.addSocket(RELAY.via, {})
      stage.change((now, agent) => agent.relayLost(now))
      stage.change((now, agent) => agent.relayReady(now, RELAY))
      const talkFor = (seconds: number): void => {
        for (let second = 0; second < seconds; second++) {
          world.after(1000 * second, () => stage.change((now, agent) => agent.dataFlowed(now)))
        }
        world.runFor(1000 * seconds)
      }
      peer.answerDelayMs = 400
      talkFor(60)
      assert.equal(stage.agent.report().reason, 'direct-slower')

      peer.answerDelayMs = 0
      talkFor(30)

      assert.equal(stage.agent.report().reason, 'direct')
    })
  })

  it('falls silent towards a peer that has been gone for long', () => {
    connected(1, (stage, peer) => {
      peer.isAnswering = false
      stage.world.runFor(120_000)
      const before = stage.sentTo(PEER).length

      stage.world.runFor(600_000)

      assert.equal(stage.sentTo(PEER).length, before)
    })
  })

  it('believes nothing after a change of network, and starts afresh', () => {
    connected(1, (stage) => {
      const { world } = stage
      stage.change((now, agent) => agent.networkChanged(now))
      assert.equal(stage.agent.report().kind, 'relay')

      world.runFor(60)

      assert.equal(stage.agent.report().kind, 'direct')
    })
  })

  it('uses the relay at once, and says when nothing at all is left', () => {
    simulate(1, (world) => {
      const stage = new Stage(world)

      stage.change((now, agent) => agent.relayReady(now, RELAY))
      stage.change((now, agent) => agent.relayLost(now))

      assert.deepEqual(
        stage.events.map(({ event }) => kindsOf(event)),
        [
          ['path-selected', 'relay'],
          ['path-lost', 'relay'],
        ],
      )
      assert.equal(stage.agent.report().kind, 'none')
    })
  })

  it('is quiet when there is nothing to do', () => {
    simulate(1, (world) => {
      const stage = new Stage(world)

      assert.equal(stage.agent.pollTimeout(), undefined)
      world.runFor(1_000_000)
      assert.equal(stage.sent.length, 0)
    })
  })
})

function kindsOf(event: PathAgentEvent): readonly string[] {
  return 'pathKind' in event ? [event.kind, event.pathKind] : [event.kind]
}
