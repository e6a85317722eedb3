import assert from 'node:assert/strict'
import { stat } from 'node:fs/promises'
import fc from 'fast-check'
import { MAX_CLIENTS } from '../../src/daemon/control-server.ts'
import { controlMethods } from '../../src/daemon/control-methods.ts'
import { methods, type Result } from '../../src/protocol/control/schema.ts'
import type { RawClient } from './support/raw-client.ts'
import { RunningDaemon, storeOfAlice } from './support/running-daemon.ts'

describe('the control server', () => {
  let running: RunningDaemon
  let client: RawClient

  async function begin(...options: Parameters<typeof RunningDaemon.start>): Promise<void> {
    running = await RunningDaemon.start(...options)
    client = await running.client()
  }

  afterEach(async () => {
    await running.stop()
  })

  it('has a handler for each method of the schema, and no other', async () => {
    await begin()

    const handlers = controlMethods(running.daemon, () => undefined)

    assert.deepEqual(Object.keys(handlers).sort(), Object.keys(methods).sort())
  })

  it('makes its socket for its owner and group', async () => {
    await begin()

    assert.equal((await stat(running.path)).mode & 0o777, 0o660)
  })

  describe('answers', () => {
    it('hello with who it is, and how far the events are', async () => {
      await begin()
      await running.notice('one')

      const hello = await client.result<Result<'hello'>>('hello', { protocols: [1] })

      assert.equal(hello.protocol, 1)
      assert.equal(hello.daemon, 'hollerd/1.2.3')
      assert.match(hello.instance, /^[0-9a-f]{16}$/)
      assert.equal(hello.account, null)
      assert.equal(hello.seq, 1)
      assert.ok(hello.features.includes('message.send'))
    })

    it('hello of a client that speaks another protocol with unsupported', async () => {
      await begin()

      const { error } = await client.ask('hello', { protocols: [2, 3] })

      assert.deepEqual([error?.code, error?.data.kind], [1013, 'unsupported'])
    })

    it('status.get without an account', async () => {
      await begin()

      const status = await client.result<Result<'status.get'>>('status.get')

      assert.equal(status.session, 'logged-out')
      assert.equal(status.account, null)
      assert.match(status.udp ?? '', /^127\.0\.0\.1:\d+$/)
    })

    it('daemon.shutdown before it happens', async () => {
      await begin()

      await client.result('daemon.shutdown')

      assert.equal(running.shutdowns, 1)
    })

    it('what needs an account with not_logged_in', async () => {
      await begin()

      for (const [method, params] of [
        ['buddy.list', {}],
        ['message.send', { to: 'bob', text: 'hi' }],
        ['net.path', { buddy: 'bob' }],
        ['account.logout', {}],
      ] as const) {
        const { error } = await client.ask(method, params)
        assert.deepEqual([error?.code, error?.data.kind], [1001, 'not_logged_in'])
      }
    })

    it('ids of both kinds, and notifications not at all', async () => {
      await begin()

      client.line({ jsonrpc: '2.0', method: 'status.get' })
      client.line({ jsonrpc: '2.0', method: 'no.such.method' })
      client.line({ jsonrpc: '2.0', id: 'text', method: 'status.get' })
      client.line({ jsonrpc: '2.0', id: 0, method: 'status.get' })
      const ids = (await client.take(2)).map(({ id }) => id)

      assert.deepEqual(ids, ['text', 0])
    })
  })

  describe('of an account', () => {
    beforeEach(async () => {
      await begin({ store: await storeOfAlice() })
    })

    it('shows its buddies while the server is away', async () => {
      const buddies = await client.result<Result<'buddy.list'>>('buddy.list')

      assert.deepEqual(
        buddies.map(({ handle, state, presence, note, path }) => [
          handle,
          state,
          presence,
          note,
          path,
        ]),
        [
          ['bob', 'accepted', 'offline', '', 'none'],
          ['carol', 'pending-in', 'offline', 'it is me, carol', 'none'],
        ],
      )
    })

    it('queues messages while the server is away, and shows them', async () => {
      const sent = await client.result<Result<'message.send'>>('message.send', {
        to: 'bob',
        text: 'for later',
      })

      const [listed] = await client.result<Result<'message.list'>>('message.list', { buddy: 10002 })
      const got = await client.result<Result<'message.get'>>('message.get', { id: sent.id })
      const [waiting] = await client.result<Result<'outbox.list'>>('outbox.list')
      const { outbox } = await client.result<Result<'status.get'>>('status.get')

      assert.equal(sent.state, 'queued')
      assert.deepEqual([listed, waiting], [got, got])
      assert.deepEqual(
        [got.text, got.direction, got.buddy],
        ['for later', 'out', { number: 10002, handle: 'bob' }],
      )
      assert.equal(outbox, 1)
    })

    it('lists the newest messages first, as many as were asked for', async () => {
      for (const text of ['one', 'two', 'three']) {
        await client.result('message.send', { to: 'bob', text })
      }

      const listed = await client.result<Result<'message.list'>>('message.list', {
        buddy: 'bob',
        limit: 2,
      })

      assert.deepEqual(
        listed.map(({ text }) => text),
        ['three', 'two'],
      )
    })

    it('never makes an answer longer than a line', async () => {
      const text = '\u0001'.repeat(65_000) // six bytes each in JSON
      for (let n = 0; n < 5; n++) await client.result('message.send', { to: 'bob', text })

      const listed = await client.result<Result<'message.list'>>('message.list', { buddy: 'bob' })
      const fetched = await client.result<Result<'outbox.list'>>('outbox.list')

      assert.equal(listed.length, 1)
      assert.equal(listed[0]?.text, text)
      assert.equal(fetched.length, 1)
    })

    it('sends once what is sent twice with one client_id', async () => {
      const params = { to: 'bob', text: 'once', client_id: 'x' }

      const first = await client.result('message.send', params)
      const second = await client.result('message.send', params)
      const { error } = await client.ask('message.send', { ...params, text: 'other' })

      assert.deepEqual(second, first)
      assert.deepEqual([error?.code, error?.data.kind], [1009, 'conflict'])
    })

    it('says when a state that was waited for did not come, and which message it is', async () => {
      const { error } = await client.ask('message.send', {
        to: 'bob',
        text: 'hi',
        wait: 'delivered',
        timeout_ms: 20,
      })
      const [waiting] = await client.result<Result<'outbox.list'>>('outbox.list')

      assert.deepEqual(
        [error?.code, error?.data.kind, error?.data.retryable],
        [1005, 'timeout', true],
      )
      assert.equal(error?.data.details['id'], waiting?.id)
    })

    it('explains why there is no path', async () => {
      const path = await client.result<Result<'net.path'>>('net.path', { buddy: 'bob' })
      const { error } = await client.ask('net.ping', { buddy: 'bob', timeout_ms: 20 })

      assert.deepEqual([path.kind, path.reason], ['none', 'server-unreachable'])
      assert.equal(error?.data.kind, 'timeout')
    })

    it('keeps a path policy', async () => {
      await client.result('buddy.setPolicy', { buddy: 'bob', path: 'relay' })

      const [bob] = await client.result<Result<'buddy.list'>>('buddy.list')

      assert.equal(bob?.pathPolicy, 'relay')
    })

    for (const [what, method, params, kind] of [
      ['too long a text', 'message.send', { to: 'bob', text: 'x'.repeat(65_536) }, 'too_large'],
      ['a message to nobody', 'message.send', { to: 'dave', text: 'x' }, 'not_found'],
      [
        'a message to who has not accepted',
        'message.send',
        { to: 'carol', text: 'x' },
        'not_found',
      ],
      ['a message that is not there', 'message.get', { id: 'x' }, 'not_found'],
      ['accepting who has not asked', 'buddy.accept', { buddy: 'bob' }, 'not_found'],
      ['what needs the server', 'buddy.accept', { buddy: 'carol' }, 'server_unreachable'],
      [
        'a second account',
        'account.login',
        { server: 'other', user: 'eve', password: 'x' },
        'conflict',
      ],
    ] as const) {
      it(`refuses ${what}: ${kind}`, async () => {
        const { error } = await client.ask(method, params)

        assert.equal(error?.data.kind, kind)
      })
    }

    it('keeps its presence for the next login', async () => {
      await client.result('presence.set', { state: 'busy', text: 'writing' })

      assert.deepEqual(running.daemon.account?.account.presence, { state: 'busy', text: 'writing' })
    })

    it('logs out without a server, and is nobody then', async () => {
      await client.result('account.logout')

      const status = await client.result<Result<'status.get'>>('status.get')
      assert.deepEqual([status.session, status.account], ['logged-out', null])
    })
  })

  describe('account.login', () => {
    for (const [what, params, kind] of [
      ['no server', { server: 'server.invalid', user: 'a', password: 'x' }, 'server_unreachable'],
      ['no link', { server: 'https://x', user: 'a', password: 'x' }, 'invalid_params'],
      ['no password', { server: 'x', user: 'a', password: '\ud800' }, 'invalid_params'],
    ] as const) {
      it(`fails with ${what}: ${kind}, and leaves the daemon as it was`, async () => {
        await begin()

        const { error } = await client.ask('account.login', params)
        const { session } = await client.result<Result<'status.get'>>('status.get')

        assert.equal(error?.data.kind, kind)
        assert.equal(session, 'logged-out')
      })
    }
  })

  describe('against clients that do not keep the rules', () => {
    beforeEach(async () => {
      await begin()
    })

    async function stillServes(): Promise<void> {
      const other = await running.client()
      await other.result('status.get')
      await client.result('status.get')
    }

    for (const [what, line, code] of [
      ['what is not JSON', 'hello?', -32700],
      ['half a JSON value', '{"jsonrpc":"2.0"', -32700],
      ['an empty batch', '[]', -32600],
      ['a batch', '[{"jsonrpc":"2.0","id":1,"method":"status.get"}]', -32600],
      ['a string', '"status.get"', -32600],
      ['null', 'null', -32600],
      ['no version', '{"id":1,"method":"status.get"}', -32600],
      ['an id that is an object', '{"jsonrpc":"2.0","id":{},"method":"status.get"}', -32600],
      ['parameters by position', '{"jsonrpc":"2.0","id":1,"method":"x","params":[1]}', -32600],
      ['an unknown method', '{"jsonrpc":"2.0","id":1,"method":"__proto__"}', -32601],
      ['a missing parameter', '{"jsonrpc":"2.0","id":1,"method":"message.get"}', -32602],
    ] as const) {
      it(`answers ${what} with ${code}`, async () => {
        client.say(`${line}\n`)

        const { error } = await client.next()

        assert.equal(error?.code, code)
        await stillServes()
      })
    }

    it('names the parameter that is wrong', async () => {
      const { error } = await client.ask('message.list', { buddy: 'bob', limit: -1 })

      assert.match(error?.message ?? '', /message\.list.*"limit"/)
      assert.equal(error?.data.kind, 'invalid_params')
    })

    it('answers bytes that are not UTF-8, and goes on', async () => {
      client.say(Buffer.from([0xff, 0xfe, 0x00, 0x0a]))

      assert.equal((await client.next()).error?.code, -32700)
      await stillServes()
    })

    it('answers a line that is too long, and goes on', async () => {
      client.say('x'.repeat(1024 * 1024 + 1))

      assert.equal((await client.next()).error?.data.kind, 'too_large')
      client.say('still the same line\n')
      await stillServes()
    })

    it('survives any bytes', async () => {
      await fc.assert(
        fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
          const stranger = await running.client()
          stranger.say(bytes)
          stranger.endWriting()
          await stranger.closed()
        }),
        { numRuns: 50 },
      )

      await stillServes()
    })

    it('tells a client that asks too often when to try again, and serves the others', async () => {
      for (let id = 0; id < 500; id++) client.line({ jsonrpc: '2.0', id, method: 'status.get' })
      const other = await running.client()
      await other.result('status.get')
      const answers = await client.take(500)

      const busy = answers.filter(({ error }) => error?.data.kind === 'busy')
      assert.ok(busy.length >= 350 && busy.length < 500, `${busy.length} refused`)
      assert.ok((busy[0]?.error?.data.retry_after_ms ?? 0) > 0)
      assert.equal(busy[0]?.error?.data.retryable, true)
      assert.equal(new Set(answers.map(({ id }) => id)).size, 500)
    })

    it('has no more than so many clients', async () => {
      for (let n = running.control.clients; n < MAX_CLIENTS; n++) await running.client()
      const oneMore = await running.client()

      const refusal = await oneMore.next()
      await oneMore.closed()

      assert.equal(refusal.error?.data.kind, 'busy')
      await client.result('status.get')
    })

    it('gives the place of a client that left to the next', async () => {
      for (let n = running.control.clients; n < MAX_CLIENTS; n++) await running.client()
      const gone = new Promise<void>((resolve) => {
        const look = (): void => {
          if (running.control.clients < MAX_CLIENTS) resolve()
          else setImmediate(look)
        }
        look()
      })
      client.destroy()
      await gone
      client = await running.client()

      await client.result('status.get')
    })

    it('answers who has finished writing, then closes', async () => {
      client.line({ jsonrpc: '2.0', id: 1, method: 'status.get' })
      client.endWriting()

      const answer = await client.next()
      await client.closed()

      assert.equal(answer.id, 1)
    })
  })

  it('refuses the 33rd request at once of a client', async () => {
    await begin({ store: await storeOfAlice() })
    const params = { to: 'bob', text: 'x', wait: 'delivered' }

    for (let id = 1; id <= 33; id++) {
      client.line({ jsonrpc: '2.0', id, method: 'message.send', params })
    }
    const refused = await client.next()

    assert.deepEqual([refused.id, refused.error?.data.kind], [33, 'busy'])
  })
})
