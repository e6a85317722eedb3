import assert from 'node:assert/strict'
import { administer, befriend, messageArrives, type Person, serve } from '../support/household.ts'
import type { Finished } from '../support/programs.ts'
import { Playground } from './support.ts'

interface Invitation {
  readonly id: string
  readonly token: string
  readonly state: string
  readonly uses: number
  readonly used: number
}

interface SessionStatus {
  readonly session: string
  readonly sessionReason: string
}

/** What the tests' people are given at their registration. */
const PASSWORD = 'correct horse battery staple'

/** A real server, real daemons, and the command lines of an administrator and of people. */
describe('an administrator', function () {
  this.timeout(120_000)
  let playground: Playground
  let link: string

  before(async () => {
    playground = await Playground.create()
    const where = ['--listen', '127.0.0.1:0', '--udp', '127.0.0.1:0']
    ;({ link } = await serve(['--data', playground.serverDataDir, ...where]))
  })

  after(() => playground.close())

  function administered<T>(...command: readonly string[]): Promise<T> {
    return administer<T>(playground.serverDataDir, ...command)
  }

  async function register(person: Person, ...invite: readonly string[]): Promise<Finished> {
    const who = ['--server', link, '--handle', person.name, '--password-stdin', '--json']
    return await person.holler(['account', 'register', ...who, ...invite], PASSWORD)
  }

  async function member(name: string): Promise<Person> {
    const [person, { token }] = await Promise.all([
      playground.person(name),
      administered<Invitation>('invite', 'create'),
    ])
    const { code, stderr } = await register(person, '--invite', token)
    assert.equal(code, 0, stderr)
    return person
  }

  async function friends(one: string, other: string): Promise<readonly [Person, Person]> {
    const people = await Promise.all([member(one), member(other)])
    await befriend(...people)
    return people
  }

  async function inSession(person: Person, session: string): Promise<SessionStatus> {
    return await person.eventually(`its session ${session}`, async () => {
      const status = await person.request('status.get', {})
      return status.session === session ? status : undefined
    })
  }

  describe('invites', () => {
    let guest: Person

    before(async () => {
      guest = await playground.person('guest')
    })

    async function refusalOf(...invite: readonly string[]): Promise<string> {
      const { code, stderr } = await register(guest, ...invite)
      assert.notEqual(code, 0)
      return (JSON.parse(stderr) as { error: { message: string } }).error.message
    }

    it('nobody, who is then told that registration is closed', async () => {
      assert.match(await refusalOf(), /by invitation only/)
    })

    it('once: the second who comes with it is refused', async () => {
      const { id, token } = await administered<Invitation>('invite', 'create')
      const first = await playground.person('first')

      const { code } = await register(first, '--invite', token)

      assert.equal(code, 0)
      assert.match(await refusalOf('--invite', token), /used already/)
      const { invites } = await administered<{ invites: Invitation[] }>('invite', 'list')
      const used = invites.find((invite) => invite.id === id)
      assert.deepEqual([used?.state, used?.uses, used?.used], ['used-up', 1, 1])
    })

    it('for a time: afterwards it lets nobody in', async () => {
      const { id, token } = await administered<Invitation>('invite', 'create', '--expires', '1s')
      await guest.eventually('the end of the invitation', async () => {
        const { invites } = await administered<{ invites: Invitation[] }>('invite', 'list')
        return invites.find((invite) => invite.id === id && invite.state === 'expired')
      })

      assert.match(await refusalOf('--invite', token), /expired/)
    })

    it('and withdraws it: it never was, for whoever has it', async () => {
      const { id, token } = await administered<Invitation>('invite', 'create', '--uses', '5')

      const withdrawn = await administered<Invitation>('invite', 'revoke', id)

      assert.equal(withdrawn.state, 'revoked')
      assert.match(await refusalOf('--invite', token), /no such invitation/i)
      assert.match(await refusalOf('--invite', 'AAAAA-AAAAA'), /no such invitation/i)
    })

    it('and who was refused gets in with a good one', async () => {
      const { token } = await administered<Invitation>('invite', 'create')

      const { code } = await register(guest, '--invite', token.toLowerCase())

      assert.equal(code, 0)
    })
  })

  it('disables an account: its session ends, its password is good for nothing; and enables it again', async () => {
    const [alice, bob] = await friends('alice', 'bob')

    await administered('account', 'disable', 'bob')
    const { sessionReason } = await inSession(bob, 'waiting')
    await alice.eventually('bob away', async () =>
      (await alice.buddy('bob'))?.presence === 'online' ? undefined : true,
    )
    const elsewhere = await playground.person('bob-elsewhere')
    const login = ['account', 'login', '--server', link, '--user', 'bob', '--password-stdin']
    const attempt = await elsewhere.holler([...login, '--json'], PASSWORD)
    const shown = await administered<{ isDisabled: boolean; session: unknown }>(
      ...['account', 'show', 'bob'],
    )

    assert.match(sessionReason, /disabled/)
    assert.equal(attempt.code, 5, attempt.stderr)
    assert.match(attempt.stderr, /disabled/)
    assert.deepEqual([shown.isDisabled, shown.session], [true, null])

    await bob.stopDaemon() // what the two have between them needs no server
    await alice.holler(['send', 'bob', 'welcome back', '--wait', 'server'])
    const { mail } = await administered<{ mail: { messages: number } }>('stats')
    assert.equal(mail.messages, 1)
    await administered('account', 'enable', 'bob')
    await bob.startDaemon()
    await messageArrives(bob, 'welcome back')
    assert.equal((await inSession(bob, 'online')).session, 'online')
    await bob.eventually('his mail gone from the server', async () => {
      const { mail: left } = await administered<{ mail: { messages: number } }>('stats')
      return left.messages === 0 ? true : undefined
    })
  })

  it('lets a lost password be replaced, once: the old one and its session are good for nothing', async () => {
    const carol = await member('carol')
    const again = await playground.person('carol-again')
    const { code } = await administered<{ code: string }>('account', 'reset', 'carol')
    const reset = (password: string, by: Person): Promise<Finished> =>
      by.holler(
        [
          ...['account', 'reset', '--server', link, '--user', 'carol', '--code', code],
          ...['--password-stdin', '--json'],
        ],
        password,
      )

    const replaced = await reset('a new and longer password', again)
    await inSession(carol, 'refused')
    const twice = await reset('and yet another password', carol)
    const login = ['account', 'login', '--server', link, '--user', 'carol', '--password-stdin']
    const withOld = await carol.holler([...login, '--json'], PASSWORD)
    const withNew = await carol.holler([...login, '--json'], 'a new and longer password')

    assert.equal(replaced.code, 0, replaced.stderr)
    assert.notEqual(twice.code, 0)
    assert.match(twice.stderr, /code/)
    assert.equal(withOld.code, 4, withOld.stderr)
    assert.equal(withNew.code, 0, withNew.stderr)
  })

  it('deletes an account: its buddies lose it, nobody can log in with it or take its name', async () => {
    const [dave, erin] = await friends('dave', 'erin')

    await administered('account', 'delete', 'erin', '--yes')
    await dave.event(
      'erin removed',
      ({ type, data }) => type === 'buddy.removed' && JSON.stringify(data).includes('erin'),
    )
    await inSession(erin, 'refused')
    const { token } = await administered<Invitation>('invite', 'create')
    const impostor = await playground.person('erin-2')
    const who = ['--server', link, '--handle', 'erin', '--password-stdin', '--invite', token]
    const taken = await impostor.holler(['account', 'register', ...who], PASSWORD)
    const { accounts } = await administered<{ accounts: { handle: string }[] }>('account', 'list')

    assert.equal(await dave.buddy('erin'), undefined)
    assert.equal(taken.code, 11, taken.stderr)
    assert.equal(
      accounts.some(({ handle }) => handle === 'erin'),
      false,
    )
  })
})
