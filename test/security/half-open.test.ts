import assert from 'node:assert/strict'
import { connect as connectTcp, type Socket } from 'node:net'
import { RealClient, register } from '../server/support/real-client.ts'
import { Waiters } from '../support/waiters.ts'
import { PASSWORD, Siege, welcomed } from './support/siege.ts'

/** At once, of all kinds together. CI opens 5,000. */
const HALF_OPEN = Number(process.env['HALF_OPEN'] ?? 1_000)

/** A TLS handshake is dear for the attacker, too: most of a crowd never begins one. */
const SHARES = { 'TCP alone': 0.6, 'TLS, and silence': 0.2, 'TLS, and a byte now and then': 0.2 }

/** `docs/operations.md`: 10 s to TLS, 10 s to the login. The rest is for a busy machine. */
const ALL_GONE_WITHIN_MS = 45_000

/** What the server may keep: 2,048 strangers of 30 KiB each, and garbage that is not collected yet. */
const MOST_GROWTH_KIB = 2_048 * 30 + 96 * 1024

/** As slow as can be, and quicker than any time limit for silence. */
const DRIP_MS = 1_000

/** So many connections are begun before the first of them must stand. */
const STEP = 50

describe(`${HALF_OPEN} half-open connections`, function () {
  this.timeout(180_000)
  let siege: Siege
  const sockets: Socket[] = []
  const waiters = new Waiters()
  let drip: NodeJS.Timeout | undefined

  before(async () => {
    siege = await Siege.begin()
  })

  after(async () => {
    clearInterval(drip)
    for (const socket of sockets) socket.destroy()
    await siege.end()
  })

  /** Resolves when it stands, or the server would not have it. */
  async function open(socket: Socket, standing: 'connect' | 'secureConnect'): Promise<void> {
    sockets.push(socket)
    await new Promise<void>((resolve) => {
      socket.once(standing, () => resolve())
      socket.once('close', () => {
        waiters.notify()
        resolve()
      })
      socket.on('error', () => undefined) // the server makes room for newer ones
      socket.resume()
    })
  }

  async function openAll(count: number, openOne: () => Promise<void>): Promise<void> {
    for (let opened = 0; opened < count; opened += STEP) {
      await Promise.all(Array.from({ length: Math.min(STEP, count - opened) }, openOne))
    }
  }

  it('keep nobody out: neither who is there already nor who comes meanwhile', async () => {
    await siege.stillServes()
    const before = await siege.consumption()
    const dripping: Socket[] = []

    await openAll(HALF_OPEN * SHARES['TLS, and silence'], () =>
      open(siege.connect(), 'secureConnect'),
    )
    await openAll(HALF_OPEN * SHARES['TLS, and a byte now and then'], async () => {
      const socket = siege.connect()
      dripping.push(socket)
      await open(socket, 'secureConnect')
    })
    // A frame of 4,096 bytes that comes at a byte a second.
    const frame = Buffer.concat([Buffer.from([0, 0, 0x10, 0]), Buffer.alloc(4096, ' ')])
    let dripped = 0
    drip = setInterval(() => {
      for (const socket of dripping) {
        if (socket.writable) socket.write(frame.subarray(dripped, dripped + 1))
      }
      dripped += 1
    }, DRIP_MS)
    await openAll(HALF_OPEN * SHARES['TCP alone'], () =>
      open(connectTcp(siege.tcp.port, siege.tcp.host), 'connect'),
    )

    await siege.stillServes()
    await register(siege.server.link, 'carol', PASSWORD)
    const carol = new RealClient(siege.server.link, 'carol', PASSWORD)
    await carol.next('welcome in the midst of it', welcomed)
    carol.stop()
    await siege.stillServes()
    const grownKib = (await siege.consumption()).residentKib - before.residentKib
    assert.ok(grownKib < MOST_GROWTH_KIB, `${grownKib} KiB more`)
  })

  it('are all gone soon, whatever they say to stay', async () => {
    await waiters.until(
      () => (sockets.every(({ closed }) => closed) ? true : undefined),
      ALL_GONE_WITHIN_MS,
      () => `${sockets.filter(({ closed }) => !closed).length} of ${sockets.length} still stand`,
    )
    assert.ok(sockets.length >= HALF_OPEN * 0.99, `${sockets.length} were opened`)

    await siege.stillServes()
  })
})
