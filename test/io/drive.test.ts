import assert from 'node:assert/strict'
import { type Endpoint, formatEndpoint } from '../../src/core/endpoint.ts'
import { after, type Instant } from '../../src/core/instant.ts'
import { type Machine, type SocketId, socketNamed, type Transmit } from '../../src/core/machine.ts'
import { OutboundQueue } from '../../src/core/outbound-queue.ts'
import { drive } from '../../src/io/drive.ts'
import { systemClock } from '../../src/io/system-clock.ts'
import { openUdpSocket } from '../../src/io/udp-socket.ts'

const anyPort = { address: '127.0.0.1', port: 0 }

/** Sends what it is told, reports what it hears, and rings once when asked. */
class Talker implements Machine<string> {
  readonly transmits = new OutboundQueue<Transmit>()
  readonly events = new OutboundQueue<string>()
  deadline: Instant | undefined

  handleDatagram(_now: Instant, from: Endpoint, bytes: Uint8Array, via?: SocketId): void {
    this.events.push(`${via ?? 'primary'} ${formatEndpoint(from)} ${Buffer.from(bytes).toString()}`)
  }

  handleTimeout(now: Instant): void {
    assert.ok(this.deadline !== undefined && now >= this.deadline)
    this.deadline = undefined
    this.events.push('rang')
  }

  pollTransmit(): Transmit | undefined {
    return this.transmits.shift()
  }

  pollEvent(): string | undefined {
    return this.events.shift()
  }

  pollTimeout(): Instant | undefined {
    return this.deadline
  }
}

describe('drive()', () => {
  it('carries datagrams from the primary and from named sockets, naming both ends', async () => {
    const primary = await openUdpSocket(anyPort)
    const extra = await openUdpSocket(anyPort)
    const talker = new Talker()
    const heard: string[] = []

    await new Promise<void>((resolve) => {
      const driver = drive(talker, {
        clock: systemClock,
        sockets: { primary: [primary], named: new Map([[socketNamed('extra'), extra]]) },
        onEvent: (event) => {
          heard.push(event)
          if (heard.length === 2) {
            driver.stop()
            resolve()
          }
        },
      })
      driver.change(() => {
        talker.transmits.push({ to: extra.local, bytes: Buffer.from('a') })
        talker.transmits.push({
          to: primary.local,
          bytes: Buffer.from('b'),
          via: socketNamed('extra'),
        })
      })
    })

    assert.deepEqual(heard.sort(), [
      `extra ${formatEndpoint(primary.local)} a`,
      `primary ${formatEndpoint(extra.local)} b`,
    ])
    await Promise.all([primary.close(), extra.close()])
  })

  it('wakes the machine at its deadline, never before, also when the deadline moved', async () => {
    const talker = new Talker()
    const events: string[] = []

    await new Promise<void>((resolve) => {
      const driver = drive(talker, {
        clock: systemClock,
        sockets: { primary: [] },
        onEvent: (event) => {
          events.push(event)
          driver.stop()
          resolve()
        },
      })
      driver.change((now) => (talker.deadline = after(now, 60_000)))
      driver.change((now) => (talker.deadline = after(now, 3)))
      driver.change((now) => (talker.deadline = after(now, 10)))
    })

    assert.deepEqual(events, ['rang'])
  })

  it('sends a batch as the datagrams it is made of, and takes one in as one change', async () => {
    const receiver = await openUdpSocket({ ...anyPort, lengthOf: () => 3 })
    const sender = await openUdpSocket(anyPort)
    const [speaker, hearer] = [new Talker(), new Talker()]
    const heard: string[] = []

    await new Promise<void>((resolve) => {
      const listening = drive(hearer, {
        clock: systemClock,
        sockets: { primary: [receiver] },
        onEvent: (event) => {
          heard.push(event)
          if (!event.endsWith(' gh')) return
          listening.stop()
          resolve()
        },
      })
      const speaking = drive(speaker, {
        clock: systemClock,
        sockets: { primary: [sender] },
        onEvent: () => undefined,
      })
      speaking.change(() =>
        speaker.transmits.push({
          to: receiver.local,
          bytes: Buffer.from('abcdefgh'),
          segmentBytes: 3,
        }),
      )
      speaking.stop()
    })

    const from = `primary ${formatEndpoint(sender.local)}`
    assert.deepEqual(heard, [`${from} abc`, `${from} def`, `${from} gh`])
    await Promise.all([receiver.close(), sender.close()])
  })

  it('drains what an event handler commands', async () => {
    const socket = await openUdpSocket(anyPort)
    const talker = new Talker()

    const answer = await new Promise<string>((resolve) => {
      const driver = drive(talker, {
        clock: systemClock,
        sockets: { primary: [socket] },
        onEvent: (event) => {
          if (event !== 'first') {
            driver.stop()
            resolve(event)
            return
          }
          driver.change(() =>
            talker.transmits.push({ to: socket.local, bytes: Buffer.from('second') }),
          )
        },
      })
      driver.change(() => talker.events.push('first'))
    })

    assert.equal(answer, `primary ${formatEndpoint(socket.local)} second`)
    await socket.close()
  })

  it('tells a machine that it was held up, before it wakes it', async () => {
    let aheadMs = 0
    const clock = { ...systemClock, now: () => after(systemClock.now(), aheadMs) }
    const told: string[] = []

    await new Promise<void>((resolve) => {
      const talker = Object.assign(new Talker(), {
        handleTimeJump: (byMs: number) => told.push(byMs >= 60_000 ? 'jump' : String(byMs)),
      })
      const driver = drive(talker, {
        clock,
        sockets: { primary: [] },
        onEvent: (event) => {
          told.push(event)
          driver.stop()
          resolve()
        },
      })
      driver.change((now) => (talker.deadline = after(now, 1)))
      aheadMs = 60_000
    })

    assert.deepEqual(told, ['jump', 'rang'])
  })
})
