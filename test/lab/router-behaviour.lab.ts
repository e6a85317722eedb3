import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Namespace } from '../../scripts/lab/namespaces.ts'
import { routerKinds } from '../../scripts/lab/router/kinds.ts'
import type { LabHost, LabRouter } from '../../scripts/lab/router/lab-router.ts'
import {
  RouterInternet,
  type RouterOptions,
  SERVER_ADDRESSES,
} from '../../scripts/lab/router/router-internet.ts'
import { Talker } from '../../scripts/lab/router/talker.ts'

import { natKinds } from '../sim/nat-kinds.ts'

const [SERVER] = SERVER_ADDRESSES
const ECHO = `${SERVER}:7007`
const CLOSED = `${SERVER}:7008`

/** Router, provider, exchange: the server gets what left with one more. */
const HOPS_TO_SERVER = 3

describe('a user-space router', () => {
  let internet: RouterInternet
  let echo: Talker
  let router: LabRouter
  let host: LabHost
  let talkers: Talker[]

  beforeEach(async () => {
    internet = await RouterInternet.create()
    echo = await Talker.start(internet.server, { mode: 'echo', address: SERVER, port: 7007 })
    talkers = [echo]
  })

  afterEach(async () => {
    await Promise.all(talkers.map((talker) => talker.stop()))
    await internet.close()
  })

  async function build(options: Partial<RouterOptions> = {}): Promise<Talker> {
    router = await internet.addRouter({ kind: routerKinds['port-restricted cone'], ...options })
    host = await router.addHost()
    return talkerIn(host.namespace)
  }

  async function talkerIn(namespace: Namespace): Promise<Talker> {
    const talker = await Talker.start(namespace)
    talkers.push(talker)
    return talker
  }

  it('translates UDP to its public address and back', async () => {
    const talker = await build()

    assert.equal(await talker.asks(ECHO), `11.1.0.1:${talker.port}`)
  })

  it('carries datagrams larger than any link, both ways', async () => {
    const talker = await build()

    assert.equal(await talker.asks(ECHO, 4000), `11.1.0.1:${talker.port}`)
    assert.ok(talker.heard.some((heard) => heard.kind === 'received' && heard.size === 4000))
  })

  it('carries a megabyte over TCP, both ways, unharmed', async () => {
    await build()
    const mirror = ['-e', TCP_MIRROR, SERVER]

    const answer = await whileRunning(internet.server, mirror, () =>
      host.namespace.run(process.execPath, '-e', TCP_CLIENT, SERVER),
    )

    assert.equal(answer.trim(), 'same')
  })

  it('is one hop: what may not go farther dies there, and its sender is told', async () => {
    const talker = await build()

    for (let ttl = 1; ttl <= HOPS_TO_SERVER; ttl++) {
      talker.say({ to: ECHO, text: 'too near'.padEnd(30), ttl })
      await until(async () => (await timeExceeded(host.namespace)) === ttl)
    }
    talker.say({ to: ECHO, text: ''.padEnd(30), ttl: HOPS_TO_SERVER + 1 })
    const heard = await talker.hears(({ kind }) => kind === 'received')

    assert.equal(heard.kind === 'received' && heard.text, `11.1.0.1:${talker.port}`)
    assert.equal((await router.counts()).mappings, 1)
  })

  it('makes no mapping for what dies in it', async () => {
    const talker = await build()

    talker.say({ to: ECHO, text: 'x', ttl: 1 })
    await until(async () => (await timeExceeded(host.namespace)) === 1)

    assert.equal((await router.counts()).mappings, 0)
  })

  it('passes on that a port is closed', async () => {
    const talker = await build({ kind: routerKinds['symmetric random'] })

    talker.say({ to: CLOSED, text: 'anybody there?', connects: true })
    const heard = await talker.hears(({ kind }) => kind === 'error')

    assert.deepEqual(heard, { kind: 'error', code: 'ECONNREFUSED' })
  })

  it('forgets its mappings when it reboots', async () => {
    const talker = await build({ kind: routerKinds['symmetric sequential'] })
    const first = await talker.asks(ECHO)
    assert.equal(await talker.asks(ECHO), first)

    await router.reboot()

    assert.notEqual(await talker.asks(ECHO), first)
  })

  it('has another public address when it is told so', async () => {
    const talker = await build()
    await talker.asks(ECHO)

    await router.reboot(['11.1.0.77'])

    assert.equal(await talker.asks(ECHO), `11.1.0.77:${talker.port}`)
  })

  it('blocks UDP and lets it through again, and TCP all the while', async () => {
    const talker = await build()

    await router.blockUdp()
    talker.say({ to: ECHO, text: 'blocked' })
    await until(async () => (await router.counts()).dropped['udp-blocked'] === 1)
    assert.equal(
      (await host.namespace.run(process.execPath, '-e', TCP_REFUSED, SERVER)).trim(),
      'ECONNREFUSED',
    )
    await router.blockUdp(false)

    assert.equal(await talker.asks(ECHO), `11.1.0.1:${talker.port}`)
  })

  it('delays, each way', async () => {
    const talker = await build({ line: { up: { latencyMs: 60 }, down: { latencyMs: 40 } } })
    await talker.asks(ECHO)

    const startedAt = performance.now()
    await talker.asks(ECHO)

    const tookMs = performance.now() - startedAt
    assert.ok(tookMs >= 100 && tookMs < 200, `${tookMs} ms`)
  })

  it('loses what its seed says, and what it is told while it runs', async () => {
    const talker = await build({ line: { up: { loss: 0.3 } }, seed: 7 })
    const lost = async (): Promise<number> => (await router.counts()).dropped['loss'] ?? 0

    for (let count = 0; count < 200; count++) talker.say({ to: ECHO, text: 'x' })
    await until(async () => (await lost()) + (await router.counts()).forwarded.outside >= 200)
    assert.ok((await lost()) > 40 && (await lost()) < 80, `${await lost()} lost`)
    await router.impair({ up: {} })

    await talker.asks(ECHO)
  })

  it('has a rate, and a queue that is full', async () => {
    const line = { up: { rateBytesPerSecond: 20_000, queueBytes: 5_000 } }
    const talker = await build({ line })

    for (let count = 0; count < 20; count++) talker.say({ to: ECHO, text: ''.padEnd(972, 'x') })
    await until(async () => {
      const { dropped, forwarded } = await router.counts()
      return (dropped['queue-full'] ?? 0) + forwarded.outside === 20
    })

    const { dropped } = await router.counts()
    assert.ok((dropped['queue-full'] ?? 0) >= 12, JSON.stringify(dropped))
  })

  it('stands behind another: a home behind a carrier', async () => {
    const carrier = await internet.addRouter({
      kind: routerKinds['symmetric random'],
      lan: '100.64.0',
    })
    const talker = await build({ behind: carrier, lan: '192.168.1' })

    assert.match(await talker.asks(ECHO), /^11\.1\.0\.1:\d+$/)
    assert.equal(host.address, '192.168.1.2')
    assert.equal((await router.counts()).mappings, 1)
    assert.equal((await carrier.counts()).mappings, 1)
  })

  it('lets two homes meet that both open first, and an opener dies between them', async () => {
    const alice = await build()
    const [aliceAt, other] = [
      await alice.asks(ECHO),
      await internet.addRouter({ kind: routerKinds['port-restricted cone'] }),
    ]
    const bob = await talkerIn((await other.addHost()).namespace)
    const bobAt = await bob.asks(ECHO)

    alice.say({ to: bobAt, text: 'opener', ttl: 4 })
    await until(async () => (await timeExceeded(host.namespace)) === 1)
    bob.say({ to: aliceAt, text: 'hello alice' })
    await alice.hears((heard) => heard.kind === 'received' && heard.text === 'hello alice')
    alice.say({ to: bobAt, text: 'hello bob' })
    await bob.hears((heard) => heard.kind === 'received' && heard.text === 'hello bob')

    assert.equal((await other.counts()).dropped['filtered'], undefined)
  })

  it('is poisoned by an early probe, where its INPUT chain accepts', async () => {
    const talker = await build({ kind: { nat: natKinds.linuxPoisonable } })
    const early = await Talker.start(internet.server, { mode: 'echo', address: SERVER })
    talkers.push(early)
    const address = await talker.asks(ECHO)

    early.say({ to: address, text: 'too early' })
    await until(async () => (await router.counts()).dropped['filtered'] === 1)

    assert.equal(await talker.asks(ECHO), address)
    assert.notEqual(await talker.asks(`${SERVER}:${early.port}`), address)
  })

  it('ends with its owner, and leaves nothing', async () => {
    await build()
    const { pid } = internet

    await Promise.all(talkers.map((talker) => talker.stop()))
    await internet.close()

    assert.throws(() => process.kill(pid ?? 0, 0), /ESRCH/)
    const left = execFileSync('ip', ['netns', 'list'], { encoding: 'utf8' })
    assert.equal(left.includes(`hrouter-${process.pid}-`), false)
  })
})

const TCP_MIRROR = `
  require('net').createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket)).listen(7009, process.argv[1], () => console.log('ready'))`

const TCP_CLIENT = `
  const bytes = require('crypto').randomBytes(1 << 20), back = []
  const socket = require('net').connect(7009, process.argv[1], () => socket.end(bytes))
  socket.on('data', (chunk) => back.push(chunk))
  socket.on('end', () => console.log(Buffer.concat(back).equals(bytes) ? 'same' : 'different'))`

const TCP_REFUSED = `
  require('net').connect(9, process.argv[1]).on('error', ({ code }) => console.log(code))`

const PATIENCE_MS = 10_000

/** Looks again and again: the kernel's counters tell nobody when they change. */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  const giveUpAt = performance.now() + PATIENCE_MS
  while (!(await isSo())) {
    if (performance.now() > giveUpAt) throw new Error(`Never came true: ${isSo.toString()}`)
  }
}

/** How many ICMP "time exceeded" a host has got. */
async function timeExceeded(namespace: Namespace): Promise<number> {
  const [names = [], values = []] = (await namespace.run('cat', '/proc/net/snmp'))
    .split('\n')
    .filter((line) => line.startsWith('Icmp:'))
    .map((line) => line.split(' '))
  return Number(values[names.indexOf('InTimeExcds')])
}

/** Runs a script that says when it is ready, until `action` is done. */
async function whileRunning<T>(
  namespace: Namespace,
  args: readonly string[],
  action: () => Promise<T>,
): Promise<T> {
  const [command = '', ...prefix] = namespace.prefix
  const child = spawn(command, [...prefix, process.execPath, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  try {
    await once(child.stdout, 'data')
    return await action()
  } finally {
    const exited = once(child, 'exit')
    child.kill()
    await exited
  }
}
