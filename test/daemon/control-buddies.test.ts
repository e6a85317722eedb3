import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLogger } from '../../src/core/logger.ts'
import { ControlServer } from '../../src/daemon/control-server.ts'
import type { Buddy } from '../../src/daemon/roster.ts'
import type { Result } from '../../src/protocol/control/schema.ts'
import type { RunningServer } from '../../src/server/server.ts'
import { befriend, register, startLoopbackServer } from './support/loopback.ts'
import { RawClient } from './support/raw-client.ts'
import { PATIENCE_MS, Somebody } from './support/somebody.ts'

describe('what scripts are told of buddies', () => {
  let directory: string
  let server: RunningServer
  let alice: Somebody
  let bob: Somebody
  let controls: ControlServer[]
  let alices: RawClient
  let bobs: RawClient

  async function clientOf({ daemon }: Somebody, name: string): Promise<RawClient> {
    const path = join(directory, `${name}.sock`)
    const onShutdown = (): void => undefined
    controls.push(await ControlServer.open({ daemon, logger: silentLogger, path, onShutdown }))
    return await RawClient.connect(path)
  }

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'holler-test-'))
    controls = []
    server = await startLoopbackServer(join(directory, 'server'))
    alice = await register(new Somebody(), server, 'alice')
    bob = await register(new Somebody(), server, 'bob')
    await befriend(alice, bob)
    alices = await clientOf(alice, 'alice')
    bobs = await clientOf(bob, 'bob')
  })

  afterEach(async () => {
    for (const client of [alices, bobs]) client.destroy()
    await Promise.all(controls.map((control) => control.close()))
    await Promise.all([alice.stop(), bob.stop()])
    await server.close()
    await rm(directory, { recursive: true, force: true })
  })

  /** The server has heard everything that Bob has told it so far: his next answer comes behind it. */
  async function bobWasHeard(): Promise<void> {
    await bobs.result('profile.get')
  }

  async function loginOfBob(): Promise<Result<'buddy.get'>['login']> {
    return (await alices.result<Result<'buddy.get'>>('buddy.get', { buddy: 'bob' })).login
  }

  function aliceOnBobsList(): Buddy {
    return bob.daemon.requireAccount().archive.roster.require('alice')
  }

  /** No event tells of it: Bob's daemon is asked other things until it is so. */
  async function concealed(isIt: boolean): Promise<void> {
    const patientUntil = Date.now() + PATIENCE_MS
    while ((aliceOnBobsList().isConcealed ?? false) !== isIt) {
      assert.ok(
        Date.now() < patientUntil,
        `never: addresses ${isIt ? 'kept from' : 'told to'} Alice`,
      )
      await bobs.result('status.get')
    }
  }

  describe('buddy.get', () => {
    it('shows the login record: program, since when, addresses, ports', async () => {
      const { network } = bob.daemon
      await bob.until(() => network.publicAddresses.at(0), 'a public address')
      await bobWasHeard()

      const login = await loginOfBob()

      assert.ok(login)
      const port = network.local?.port
      assert.deepEqual([login.client, login.udpPort, login.tcpPort], ['hollerd/1.2.3', port, 0])
      assert.deepEqual(login.publicAddresses, [`127.0.0.1:${port}`])
      assert.deepEqual(login.localAddresses, [...network.addresses])
      assert.match(login.seenFrom, /^127\.0\.0\.1:\d+$/)
      assert.ok(Math.abs(Date.now() - Date.parse(login.since)) < 60_000)
    })

    it('shows none of a buddy who is invisible', async () => {
      await bobs.result('presence.set', { state: 'invisible' })

      assert.equal(await loginOfBob(), null)
    })
  })

  describe('buddy.setPolicy', () => {
    it('conceals the addresses from a buddy whom only the relay may reach, and shows them again', async () => {
      await bobWasHeard()
      const before = await loginOfBob()

      await bobs.result('buddy.setPolicy', { buddy: 'alice', path: 'relay' })
      await concealed(true)
      const meanwhile = await loginOfBob()
      await bobs.result('buddy.setPolicy', { buddy: 'alice', path: 'auto' })
      await concealed(false)
      const later = await loginOfBob()

      assert.deepEqual([before === null, meanwhile, later === null], [false, null, false])
    })

    it('conceals them also in the next session', async () => {
      await bobs.result('buddy.setPolicy', { buddy: 'alice', path: 'relay' })
      await concealed(true)
      await bob.stop()
      await bob.start()
      await bob.state('online')
      await bob.daemon.requireAccount().desk.profile()

      assert.equal(await loginOfBob(), null)
    })

    it('ends as the last of several says, however fast they come', async () => {
      await bobs.result('buddy.setPolicy', { buddy: 'alice', path: 'relay' })
      await concealed(true)

      // The second is decided while the server's answer to the first is still on its way.
      const account = bob.daemon.requireAccount()
      await account.setPolicy(aliceOnBobsList(), 'auto')
      await account.setPolicy(aliceOnBobsList(), 'relay')
      await bobs.result('buddy.setNote', { buddy: 'alice', note: 'told behind it' })
      await bob.until(
        () => aliceOnBobsList().remark === 'told behind it' || undefined,
        'what the server said after the first',
      )
      await concealed(true)

      assert.equal(await loginOfBob(), null)
    })
  })

  describe('presence.set', () => {
    it('with an end becomes online without a text by itself', async () => {
      const bobsNumber = bob.daemon.requireAccount().person.number
      const { presence } = alice.daemon.requireAccount()
      const shows = (state: string, text: string): Promise<true> => {
        const isShown = (): true | undefined => {
          const shown = presence.get(bobsNumber)
          return (shown.state === state && shown.text === text) || undefined
        }
        return alice.until(isShown, `Bob ${state}`)
      }
      const busy = { state: 'busy', text: 'in a meeting' }
      await bobs.result('presence.set', busy)
      await shows('busy', 'in a meeting')

      const until = new Date(Date.now() + 1_500).toISOString()
      await bobs.result('presence.set', { ...busy, until })
      await shows('online', '')

      assert.ok(Date.now() >= Date.parse(until))
      const shown = await bobs.result('presence.get')
      assert.deepEqual(shown, { state: 'online', text: '', until: null })
    })

    it('tells the end that was chosen', async () => {
      const wanted = {
        state: 'away',
        text: '',
        until: new Date(Date.now() + 3_600_000).toISOString(),
      }

      await bobs.result('presence.set', wanted)

      assert.deepEqual(await bobs.result('presence.get'), wanted)
    })

    it('refuses an end that is over', async () => {
      const until = new Date(Date.now() - 1_000).toISOString()

      const { error } = await bobs.ask('presence.set', { state: 'busy', until })

      assert.equal(error?.data.kind, 'invalid_params')
      assert.equal((await bobs.result('presence.get'))['state'], 'online')
    })
  })
})
