import assert from 'node:assert/strict'
import type { RouterKind } from '../../scripts/lab/internet.ts'
import type { Person } from '../support/household.ts'
import { Program, runProgram } from '../support/programs.ts'
import { Laboratory, sendAndReceive, STUN } from './support.ts'

/** From the moment a path disappears or comes back until both daemons talk over the right one. */
const SWITCH_MS = 60_000

const kinds: readonly (readonly [string, RouterKind])[] = [
  ['drops what nobody asked for', { nat: 'masquerade', input: 'drop' }],
  ['accepts what nobody asked for', { nat: 'masquerade', input: 'accept' }],
]

for (const [description, kind] of kinds) {
  describe(`two homes behind masquerade routers whose INPUT chain ${description}`, () => {
    let laboratory: Laboratory
    let alice: Person
    let bob: Person

    before(async () => {
      laboratory = await Laboratory.build(kind, kind)
      ;({ alice, bob } = laboratory)
    })

    after(async () => {
      await laboratory.close()
    })

    it('natprobe tells the mapping and the filtering of the router', async () => {
      const { stdout, stderr } = await runProgram({
        name: 'natprobe',
        main: 'natprobe',
        args: [STUN, '--quick', '--json'],
        prefix: laboratory.homes[0].host.prefix,
      })
      const report = JSON.parse(stdout || `{"stderr": ${JSON.stringify(stderr)}}`) as Report

      assert.equal(report.families?.ipv4?.mapping.value, 'endpoint-independent', stdout + stderr)
      assert.equal(report.families.ipv4.filtering.value, 'address-and-port-dependent', stdout)
      assert.equal(report.families.ipv4.natted, true)
      assert.match(report.families.ipv4.public[0] ?? '', /^198\.51\.100\.2:\d+$/)
    })

    it('two people log in, become buddies and see each other online', async () => {
      await laboratory.moveIn()

      assert.equal((await alice.buddy('bob'))?.presence, 'online')
      assert.equal((await bob.buddy('alice'))?.presence, 'online')
    })

    it('their path is direct, from public address to public address', async () => {
      await Promise.all([alice.pathOfKind('bob', ['direct']), bob.pathOfKind('alice', ['direct'])])
      const path = await alice.json<{ kind: string; remote: string }>(['net', 'path', 'bob'])

      assert.equal(path.kind, 'direct')
      assert.match(path.remote, /^192\.0\.2\.2:\d+$/)
    })

    it('what one sends appears in the other’s holler events --follow, both ways', async () => {
      await appearsAtTheOther(alice, bob, 'from behind one NAT')
      await appearsAtTheOther(bob, alice, 'from behind the other')
    })

    it('with UDP between the homes blocked, messages go by relay', async () => {
      laboratory.internet.blockUdpBetween(...laboratory.homes)

      await Promise.all([sendAndReceive(alice, bob, 'blocked?'), sendAndReceive(bob, alice, 'yes')])
      const path = await alice.pathOfKind('bob', ['relay'], SWITCH_MS)
      await bob.pathOfKind('alice', ['relay'], SWITCH_MS)
      await sendAndReceive(alice, bob, 'through the relay')

      assert.equal(path.relay, 'udp')
      assert.notEqual(path.reason, '')
    })

    it('unblocked, the direct path works again', async () => {
      laboratory.internet.unblockUdp()

      await laboratory.bothReach('direct', SWITCH_MS)
      await sendAndReceive(alice, bob, 'directly again')
      await sendAndReceive(bob, alice, 'and back')
    }).timeout(2 * SWITCH_MS)

    it('every message arrived exactly once', () => {
      for (const person of [alice, bob]) {
        const received = person.events.filter(({ type }) => type === 'message.received')
        const ids = received.map(({ data }) => data['id'])
        assert.equal(new Set(ids).size, ids.length)
      }
    })
  })
}

interface Report {
  readonly families?: {
    readonly ipv4?: {
      readonly natted: boolean
      readonly public: readonly string[]
      readonly mapping: { readonly value: string }
      readonly filtering: { readonly value: string }
    }
  }
}

async function appearsAtTheOther(from: Person, to: Person, text: string): Promise<void> {
  const follower = new Program({
    name: `${to.name}'s holler events`,
    main: 'cli',
    args: ['events', '--follow', '--since', '0', '--types', 'message.received'],
    env: { HOLLER_SOCKET: to.socket },
  })
  const { code, stderr } = await from.holler(['send', to.name, text])
  assert.equal(code, 0, stderr)
  const line = await follower.line(new RegExp(`"text":"${text}"`))
  const { data } = JSON.parse(line) as { data: { from: { handle: string } } }
  assert.equal(data.from.handle, from.name)
  await follower.stop()
}
