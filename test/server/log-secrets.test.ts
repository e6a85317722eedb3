import assert from 'node:assert/strict'
import type { LogFields, Logger } from '../../src/core/logger.ts'
import { AdminDesk } from '../../src/server/admin/admin-desk.ts'
import { SeededRandom } from '../sim/seeded-random.ts'
import { verifierOf } from './support/test-device.ts'
import { TestServer } from './support/test-server.ts'

const PASSWORD = 'password of alice'
const BODY = Buffer.from('a sealed body that nobody else reads')

describe('the log of holler-server', () => {
  it('tells a whole session at every level, and none of its secrets', async () => {
    const lines: string[] = []
    const keep = (message: string, fields?: LogFields): void => {
      lines.push(`${message} ${JSON.stringify(fields ?? {})}`)
    }
    const logger: Logger = { debug: keep, info: keep, warn: keep, error: keep }
    const server = await TestServer.start({ isRegistrationOpen: false, logger })
    const desk = new AdminDesk({
      store: server.store,
      switchboard: server.switchboard,
      outside: {
        clock: server.time,
        random: new SeededRandom(1),
        logger,
        makeAlarm: (onDue) => server.time.makeAlarm(onDue),
      },
      link: '',
      stats: () => assert.fail('nobody asks'),
      drain: () => assert.fail('nobody asks'),
    }).handlers
    const wish = { uses: 2, expires_ms: null, note: 'a note of the administrator' }
    const { token } = await desk['invite.create'](wish, undefined)

    const newcomer = server.connect()
    const verifier = verifierOf(PASSWORD)
    await newcomer.say({ kind: 'register', handle: 'alice', verifier, invite: token })
    const [bob = 0] = await server.accounts('bob')
    await server.befriend(10_001, bob)
    const alice = await server.online('alice')
    await server.online('bob')
    await alice.askOk({ kind: 'set-presence', state: 'away', text: 'at the dentist' })
    await alice.say({ kind: 'send', id: 99, to: bob, messageId: Buffer.alloc(16, 7), body: BODY })
    await alice.sayXml('<unknown text="hidden words"/>')
    await server.connect().login({ user: 'alice', password: 'a wrong password' })
    const { code } = await desk['account.reset']({ name: 'alice', expires_ms: 60_000 }, undefined)
    const reset = server.connect()
    await reset.say({ kind: 'replace-password', user: 'alice', code, verifier: verifierOf('new') })
    await server.time.pass(5)
    await desk['account.disable']({ name: 'bob' }, undefined)
    await desk['account.delete']({ name: 'bob', free_handle: false }, undefined)
    const ticket = alice.find('welcome')

    const log = lines.join('\n')
    for (const told of [
      'invitation made',
      'registered',
      'logged in',
      'login refused',
      'password replaced',
      'account disabled',
      'account deleted',
    ]) {
      assert.ok(log.includes(told), `${told}\n${log}`)
    }
    const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
    const secrets = [
      token,
      token.replaceAll('-', ''),
      code,
      PASSWORD,
      'a wrong password',
      'at the dentist',
      'hidden words',
      'a note of the administrator',
      BODY.toString(),
      base64(BODY),
      base64(verifier.storedKey),
      base64(verifier.serverKey),
      ticket?.scram ?? 'no welcome',
    ]
    for (const secret of secrets) assert.ok(!log.includes(secret), `${secret}\n${log}`)
  })
})
