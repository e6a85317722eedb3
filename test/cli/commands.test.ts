import assert from 'node:assert/strict'
import type {
  BuddyView,
  MessageView,
  PathView,
  Result,
  StatusView,
} from '../../src/protocol/control/schema.ts'
import { type FakeDaemon, type Handlers, Refusal, startFakeDaemon } from './support/fake-daemon.ts'
import { input, type Ran, run, type RunOptions } from './support/run.ts'

const bob = { number: 10002, handle: 'bob' }

const status: StatusView = {
  version: '0.1.0',
  startedAt: '2026-11-22T06:17:38Z',
  session: 'waiting',
  sessionReason: 'ECONNREFUSED',
  server: 'holler://127.0.0.1:7443',
  account: { number: 10001, handle: 'alice' },
  udp: '10.0.0.2:40000',
  publicAddresses: ['203.0.113.7:40000'],
  buddies: { total: 3, online: 2, direct: 1, relay: 1 },
  outbox: 2,
  lastSeq: 17,
}

const buddy: BuddyView = {
  ...bob,
  state: 'accepted',
  presence: 'online',
  presenceText: 'lunch \u001b[31m',
  note: '',
  group: '',
  path: 'direct',
  pathPolicy: 'auto',
}

const path: PathView = {
  buddy: bob,
  kind: 'relay',
  local: '10.0.0.2:40000',
  remote: '203.0.113.1:3478',
  relay: 'udp',
  rttMs: 1.234,
  lossRatio: 0.025,
  since: '2026-11-22T06:17:38Z',
  reason: 'policy',
  remedy: 'holler buddy policy bob --path auto',
  strategies: ['direct'],
  attempts: [{ strategy: 'birthday', verdict: 'failed', probes: 1024 }],
  candidates: [{ side: 'remote', kind: 'host', endpoint: '10.0.0.3:40000' }],
  nat: null,
}

const messages: MessageView[] = [
  { id: 'b', direction: 'out', buddy: bob, text: 'yes', state: 'delivered', at: 'now' },
  { id: 'a', direction: 'in', buddy: bob, text: 'one\nme: two', state: 'delivered', at: 'now' },
]

describe('holler: what the commands ask and show', () => {
  let daemon: FakeDaemon

  async function holler(
    handlers: Handlers,
    args: readonly string[],
    options: RunOptions = {},
  ): Promise<Ran> {
    daemon = await startFakeDaemon(handlers)
    return run(args, { ...options, socket: daemon.path })
  }

  function asked(): unknown {
    return daemon.requests.map(({ method, params }) => ({ method, params }))
  }

  afterEach(async () => {
    await daemon.close()
  })

  it('status: one screen', async () => {
    const { exit, stdout } = await holler({ 'status.get': () => status }, ['status'])

    assert.equal(exit, 0)
    assert.match(stdout, /^account {2}alice \(10001\)$/m)
    assert.match(stdout, /^session {2}waiting: ECONNREFUSED$/m)
    assert.match(stdout, /^udp {6}10\.0\.0\.2:40000, seen from outside as 203\.0\.113\.7:40000$/m)
    assert.match(stdout, /^buddies {2}3 \(2 online, 1 direct, 1 by relay\)$/m)
    assert.match(stdout, /^outbox {3}2 waiting$/m)
  })

  it('status --json: the daemon’s answer on one line', async () => {
    const { stdout } = await holler({ 'status.get': () => status }, ['status', '--json'])

    assert.deepEqual(JSON.parse(stdout), status)
    assert.equal(stdout.trimEnd().includes('\n'), false)
  })

  it('status -q: only the exit status', async () => {
    const { exit, stdout } = await holler({ 'status.get': () => status }, ['-q', 'status'])

    assert.deepEqual([exit, stdout], [0, ''])
  })

  it('colours on a terminal, and not where NO_COLOR is set', async () => {
    const onTerminal = await holler({ 'status.get': () => status }, ['status'], {
      isTerminal: true,
    })
    const socket = daemon.path
    const unwanted = await run(['status'], { isTerminal: true, env: { NO_COLOR: '1' }, socket })

    assert.ok(onTerminal.stdout.includes('\u001b[33mwaiting'))
    assert.equal(unwanted.stdout.includes('\u001b'), false)
  })

  it('presence: state and text', async () => {
    await holler({ 'presence.set': () => ({}) }, ['presence', 'away', 'back at 3'])

    assert.deepEqual(asked(), [
      { method: 'presence.set', params: { state: 'away', text: 'back at 3' } },
    ])
  })

  it('presence --until: a time, or so long from now', async () => {
    const before = Date.now()
    await holler({ 'presence.set': () => ({}) }, ['presence', 'busy', '--until', '90m'])
    const [request] = daemon.requests
    const until = Date.parse((request?.params as { readonly until: string }).until)
    const wrong = await run(['presence', 'busy', '--until', 'soon'], { socket: daemon.path })

    assert.ok(until >= before + 90 * 60_000 && until <= Date.now() + 90 * 60_000)
    assert.deepEqual([wrong.exit, daemon.requests.length], [2, 1])
  })

  it('buddy search --online: every page; a name or the flag, and not both', async () => {
    const pages = { 0: [bob], 10002: [{ number: 10003, handle: 'carol' }] } as const
    const { stdout } = await holler(
      {
        'buddy.online': ({ after }) => ({
          people: pages[(after ?? 0) as 0].map((person) => {
            return { ...person, name: 'A \u001b[31m', presence: 'away' } as const
          }),
          next: after === 0 ? 10_002 : null,
        }),
      },
      ['buddy', 'search', '--online'],
    )
    const wrong = [
      await run(['buddy', 'search'], { socket: daemon.path }),
      await run(['buddy', 'search', 'bob', '--online'], { socket: daemon.path }),
    ]

    assert.match(stdout, /^10002 {2}bob +away {2}A \\x1b\[31m$/m)
    assert.match(stdout, /^10003 {2}carol +away/m)
    assert.deepEqual(
      wrong.map(({ exit }) => exit),
      [2, 2],
    )
  })

  it('buddy move and note: what is left out is taken away', async () => {
    await holler({ 'buddy.move': () => ({}), 'buddy.setNote': () => ({}) }, [
      'buddy',
      'move',
      'bob',
      'Chess club',
    ])
    await run(['buddy', 'move', 'bob'], { socket: daemon.path })
    await run(['buddy', 'note', 'bob', 'plays'], { socket: daemon.path })
    await run(['buddy', 'note', 'bob'], { socket: daemon.path })

    assert.deepEqual(asked(), [
      { method: 'buddy.move', params: { buddy: 'bob', group: 'Chess club' } },
      { method: 'buddy.move', params: { buddy: 'bob', group: '' } },
      { method: 'buddy.setNote', params: { buddy: 'bob', note: 'plays' } },
      { method: 'buddy.setNote', params: { buddy: 'bob', note: '' } },
    ])
  })

  it('buddy show: where somebody is, or that it is not told', async () => {
    const login = {
      client: 'hollerd/0.1.0',
      since: '2026-11-22T06:17:38Z',
      seenFrom: '203.0.113.99:50122',
      localAddresses: ['10.0.0.7'],
      publicAddresses: [],
      udpPort: 41_000,
      tcpPort: 0,
      nat: null,
    }
    const told = await holler({ 'buddy.get': () => ({ ...buddy, login }) }, [
      'buddy',
      'show',
      'bob',
    ])
    await daemon.close()
    const untold = await holler({ 'buddy.get': () => ({ ...buddy, login: null }) }, [
      'buddy',
      'show',
      'bob',
    ])

    assert.match(told.stdout, /^server sees {2}203\.0\.113\.99:50122$/m)
    assert.match(told.stdout, /^ports +UDP 41000$/m)
    assert.match(untold.stdout, /^where {2}not told$/m)
  })

  it('profile: shows, and sets what is named', async () => {
    const profile = { number: 10001, name: 'Alice', text: '', listed: false }
    const { stdout } = await holler({ 'profile.get': () => profile, 'profile.set': () => ({}) }, [
      'profile',
      'show',
    ])
    await run(['profile', 'set', '--listed', '--text', ''], { socket: daemon.path })
    await run(['profile', 'set', '--no-listed'], { socket: daemon.path })

    assert.match(stdout, /^name +Alice$/m)
    assert.match(stdout, /^listed +no$/m)
    assert.deepEqual(asked(), [
      { method: 'profile.get', params: {} },
      { method: 'profile.set', params: { listed: true, text: '' } },
      { method: 'profile.set', params: { listed: false } },
    ])
  })

  it('buddy list: presence, path and text, with nothing that a terminal obeys', async () => {
    const asking = { ...buddy, state: 'pending-in', note: 'it is me' } as const
    const { stdout } = await holler({ 'buddy.list': () => [buddy, asking] }, ['buddy', 'list'])

    assert.match(stdout, /^10002 {2}bob {2}online +direct +lunch \\x1b\[31m$/m)
    assert.match(stdout, /^10002 {2}bob {2}asks to be your buddy {2}it is me$/m)
  })

  it('buddy add, accept, reject, remove, block, unblock', async () => {
    await holler({ 'buddy.add': () => ({}) }, ['buddy', 'add', 'bob', '--note', 'me'])
    assert.deepEqual(asked(), [{ method: 'buddy.add', params: { buddy: 'bob', note: 'me' } }])
    for (const answer of ['accept', 'reject', 'remove', 'block', 'unblock'] as const) {
      await daemon.close()
      const { exit } = await holler({ [`buddy.${answer}`]: () => ({}) }, ['buddy', answer, '10002'])
      assert.equal(exit, 0)
      assert.deepEqual(asked(), [{ method: `buddy.${answer}`, params: { buddy: '10002' } }])
    }
  })

  it('identity show: ours, and a buddy’s with the number to compare', async () => {
    const identity = 'ab'.repeat(32)
    const safetyNumber = Array.from({ length: 12 }, (_, n) => String(10_000 + n)).join(' ')
    const peer = { buddy: bob, identity, safetyNumber, verifiedAt: null, other: null }
    const own = await holler({ 'identity.show': () => ({ ...bob, identity }) }, [
      'identity',
      'show',
    ])
    const shown = async (answer: object): Promise<string> => {
      await daemon.close()
      const { stdout } = await holler({ 'identity.peer': () => ({ ...peer, ...answer }) }, [
        'identity',
        'show',
        'bob',
      ])
      return stdout
    }

    assert.match(own.stdout, new RegExp(`identity +${identity}`))
    assert.match(await shown({}), /not verified[^]*\n {2}10000 10001 10002\n {2}10003/)
    assert.match(await shown({ verifiedAt: '2026-11-28T13:00:00.000Z' }), /verified 2026-11-28/)
    assert.match(await shown({ identity: null, safetyNumber: null }), /not known yet/)
    assert.match(
      await shown({ other: { identity: 'cd'.repeat(32), safetyNumber } }),
      /another identity has come in this name: cdcd/,
    )
  })

  it('identity verify', async () => {
    const groups = ['12345', '67890']
    const { stdout } = await holler({ 'identity.verify': () => ({}) }, [
      'identity',
      'verify',
      'bob',
      ...groups,
    ])

    assert.equal(stdout, 'The identity of bob is verified\n')
    assert.deepEqual(asked(), [
      { method: 'identity.verify', params: { buddy: 'bob', safety_number: '12345 67890' } },
    ])
  })

  it('identity accept', async () => {
    const { stdout } = await holler({ 'identity.accept': () => ({}) }, [
      'identity',
      'accept',
      'bob',
    ])

    assert.equal(stdout, 'The new identity of bob is trusted\n')
    assert.deepEqual(asked(), [{ method: 'identity.accept', params: { buddy: 'bob' } }])
  })

  it('buddy search', async () => {
    const { stdout } = await holler({ 'buddy.search': () => bob }, ['buddy', 'search', 'bob'])

    assert.match(stdout, /bob/)
    assert.deepEqual(asked(), [{ method: 'buddy.search', params: { buddy: 'bob' } }])
  })

  it('buddy policy: shows and sets', async () => {
    const handlers: Handlers = { 'buddy.list': () => [buddy], 'buddy.setPolicy': () => ({}) }
    const shown = await holler(handlers, ['buddy', 'policy', '10002'])
    const socket = daemon.path
    await run(['buddy', 'policy', 'bob', '--path', 'relay'], { socket })
    const unknown = await run(['buddy', 'policy', 'eve'], { socket })

    assert.equal(shown.stdout, 'auto\n')
    assert.deepEqual(daemon.requests.at(1)?.params, { buddy: 'bob', path: 'relay' })
    assert.equal(unknown.exit, 6)
  })

  it('send: the words of the line, and prints the id', async () => {
    const { stdout } = await holler({ 'message.send': () => ({ id: 'm1', state: 'queued' }) }, [
      'send',
      'bob',
      'Hello',
      'there',
    ])

    assert.equal(stdout, 'm1\n')
    assert.deepEqual(daemon.requests[0]?.params, { to: 'bob', text: 'Hello there' })
  })

  it('send: standard input, without its final newline', async () => {
    const handlers: Handlers = { 'message.send': () => ({ id: 'm1', state: 'queued' }) }
    await holler(handlers, ['send', 'bob', '-'], { stdin: input('one\ntwo\n') })

    assert.deepEqual(daemon.requests[0]?.params, { to: 'bob', text: 'one\ntwo' })
  })

  it('send --wait: the daemon watches the deadline', async () => {
    const handlers: Handlers = { 'message.send': () => ({ id: 'm1', state: 'delivered' }) }
    const args = ['send', 'bob', 'hi', '--wait', 'delivered', '--timeout', '5s', '--json']
    const { stdout } = await holler(handlers, args)

    assert.deepEqual(JSON.parse(stdout), { id: 'm1', state: 'delivered' })
    const params = { to: 'bob', text: 'hi', wait: 'delivered', timeout_ms: 5000 }
    assert.deepEqual(daemon.requests[0]?.params, params)
  })

  it('send: a mailbox that is full has an exit status of its own', async () => {
    const full = { id: 'm1', state: 'failed', reason: 'mailbox-full' } as const
    const args = ['send', 'bob', 'hi', '--wait', 'server']
    const { exit, stderr } = await holler({ 'message.send': () => full }, args)

    assert.equal(exit, 12)
    assert.match(stderr, /mailbox at the server is full/)
  })

  it('send: a message that expired is a failure', async () => {
    const handlers: Handlers = { 'message.send': () => ({ id: 'm1', state: 'expired' }) }
    const { exit, stderr } = await holler(handlers, ['send', 'bob', 'hi', '--wait', 'read'])

    assert.equal(exit, 13)
    assert.match(stderr, /did not get there: expired/)
  })

  it('send: more than a request can hold is refused', async () => {
    const { exit } = await holler({}, ['send', 'bob', '-'], { stdin: input('x'.repeat(1_100_000)) })

    assert.equal(exit, 12)
    assert.deepEqual(asked(), [])
  })

  it('history: oldest first, and a second line cannot pose as a message', async () => {
    const { stdout } = await holler({ 'message.list': () => messages }, [
      'history',
      'bob',
      '-n',
      '2',
    ])

    assert.equal(stdout, 'now  bob: one\n        me: two\nnow  me: yes [delivered]\n')
    assert.deepEqual(daemon.requests[0]?.params, { buddy: 'bob', limit: 2 })
  })

  it('net path: kind, addresses, reason and remedy', async () => {
    const { stdout } = await holler({ 'net.path': () => path }, ['net', 'path', 'bob'])

    assert.match(stdout, /^bob \(10002\)$/m)
    assert.match(stdout, /^path +relay over UDP {2}10\.0\.0\.2:40000 → 203\.0\.113\.1:3478$/m)
    assert.match(stdout, /^quality +RTT 1\.2 ms, loss 2\.5 %$/m)
    assert.match(stdout, /^remedy +holler buddy policy bob --path auto$/m)
    assert.match(stdout, /^theirs +10\.0\.0\.3:40000 {2}host$/m)
  })

  it('net status: this machine and each path', async () => {
    const net: Result<'net.status'> = {
      udp: '10.0.0.2:40000',
      publicAddresses: ['203.0.113.7:40000'],
      forwarded: '203.0.113.7:40001',
      stunServers: ['203.0.113.1:3478'],
      mapping: 'endpoint-independent',
      nat: {
        mapping: 'endpoint-independent',
        filtering: 'address-dependent',
        ports: { kind: 'preserve' },
        isPooled: false,
        depth: 2,
      },
      families: ['ipv4'],
      addresses: ['10.0.0.2'],
      udpState: 'silent',
      isUdpBlocked: true,
      proxy: 'proxy.example:3128',
      clockOffsetMs: -12.5,
      peers: [path],
      dropped: { malformed: 3, unknown: 0 },
    }
    const { stdout } = await holler({ 'net.status': () => net }, ['net', 'status'])

    assert.match(
      stdout,
      /^nat {8}mapping endpoint-independent, filtering address-dependent, ports/m,
    )
    assert.match(stdout, /^udp works {2}no: this network blocks UDP/m)
    assert.match(stdout, /^proxy {6}proxy\.example:3128$/m)
    assert.match(stdout, /^clock {6}13 ms ahead of the server’s$/m)
    assert.match(stdout, /^forwarded {2}203\.0\.113\.7:40001$/m)
    assert.match(stdout, /^dropped {4}malformed 3$/m)
    assert.match(stdout, /^bob \(10002\) {2}relay over UDP/m)
  })

  const pongBy = (kind: PathView['kind']): Result<'net.ping'> => ({
    rttMs: 12.4,
    path: { ...path, kind, relay: kind === 'relay' ? 'tls' : null },
  })

  it('net ping --until-direct: a line for each answer, until one comes by a direct path', async () => {
    let asked = 0
    const handlers: Handlers = {
      'net.ping': ({ until }) => {
        asked += 1
        if (until === 'any') return pongBy(asked < 4 ? 'relay' : 'direct')
        throw new Refusal('timeout', 'No direct path with bob in time')
      },
    }
    const { stdout } = await holler(handlers, ['net', 'ping', 'bob', '--until-direct'])

    const lines = stdout.trim().split('\n')
    assert.deepEqual(
      lines.map((line) => /answers in 12 ms, (relay over TLS|direct)/.exec(line)?.[1]),
      ['relay over TLS', 'relay over TLS', 'direct'],
    )
  })

  it('net ping --until-direct: says why not, in time', async () => {
    const handlers: Handlers = {
      'net.ping': ({ until }) => {
        if (until === 'any') return pongBy('relay')
        throw new Refusal('timeout', 'No direct path with bob in time: policy-relay')
      },
    }
    const args = ['net', 'ping', 'bob', '--until-direct', '--timeout', '900ms']
    const { exit, stderr } = await holler(handlers, args)

    assert.equal(exit, 7)
    assert.match(stderr, /policy-relay/)
  })

  it('net ping --until-direct --json: one answer, and the wish and the deadline passed on', async () => {
    const handlers: Handlers = { 'net.ping': () => pongBy('direct') }
    const args = ['net', 'ping', 'bob', '--until-direct', '--json']
    const { stdout } = await holler(handlers, args)

    assert.equal((JSON.parse(stdout) as Result<'net.ping'>).path.kind, 'direct')
    const params = { buddy: 'bob', until: 'direct', timeout_ms: 30_000 }
    assert.deepEqual(daemon.requests[0]?.params, params)
  })

  it('rpc: any method, its result as JSON', async () => {
    const args = ['rpc', 'message.list', '{"buddy":"bob"}']
    const { stdout } = await holler({ 'message.list': () => messages }, args)

    assert.deepEqual(JSON.parse(stdout), messages)
  })
})
