import assert from 'node:assert/strict'
import type { Endpoint } from '../../src/core/endpoint.ts'
import { loadLibc } from '../../src/io/libc.ts'
import { openUdpSocket } from '../../src/io/udp-socket.ts'

const anyPort = { address: '127.0.0.1', port: 0 }

describe('openUdpSocket()', () => {
  it('delivers every datagram of a burst with its sender', async () => {
    const receiver = await openUdpSocket(anyPort)
    const sender = await openUdpSocket(anyPort)
    const received: string[] = []

    await new Promise<void>((resolve) => {
      receiver.onDatagram((from, bytes) => {
        assert.deepEqual(from, sender.local)
        received.push(Buffer.from(bytes).toString())
        if (received.length === 100) resolve()
      })
      for (let n = 0; n < 100; n++) sender.send(receiver.local, Buffer.from(`n${n}`))
    })

    assert.equal(received[99], 'n99')
    await Promise.all([receiver.close(), sender.close()])
  })

  it('says which port is taken', async () => {
    const first = await openUdpSocket(anyPort)

    await assert.rejects(openUdpSocket({ address: '127.0.0.1', port: first.local.port }), {
      code: 'PORT_TAKEN',
      message: `Cannot bind UDP 127.0.0.1:${first.local.port}: already in use`,
    })

    await first.close()
  })

  it('says which address is not this machine’s', async () => {
    await assert.rejects(openUdpSocket({ address: '203.0.113.1', port: 0 }), {
      code: 'CONFIG_INVALID',
      message: 'Cannot bind UDP 203.0.113.1:0: this host has no such address',
    })
  })

  it('tells when the system knows no way to where a datagram is to go', async () => {
    const socket = await openUdpSocket(anyPort)
    const told = new Promise<void>((resolve) => socket.onUnreachable?.(resolve))

    socket.send(
      { family: 4, address: '192.0.2.1', port: 9 },
      Buffer.from('from loopback into the world'),
    )

    await told
    await socket.close()
  })

  it('goes on after a datagram that cannot be sent, and after closing', async () => {
    const socket = await openUdpSocket(anyPort)
    const nobody: Endpoint = { family: 4, address: '127.0.0.1', port: 9 }

    socket.send(nobody, new Uint8Array(70_000)) // EMSGSIZE
    socket.send(nobody, new Uint8Array(10)) // ECONNREFUSED comes back as ICMP
    socket.send({ family: 4, address: '127.0.0.1', port: 0 }, new Uint8Array(1))
    const echo = new Promise<void>((resolve) => socket.onDatagram(() => resolve()))
    socket.send(socket.local, new Uint8Array(1))
    await echo
    await socket.close()
    socket.send(nobody, new Uint8Array(1))
    await socket.close()
  })

  for (const address of ['127.0.0.1', '::1']) {
    it(`sends a batch over ${address} as the datagrams it is made of`, async () => {
      const receiver = await openUdpSocket({ address, port: 0 })
      const sender = await openUdpSocket({ address, port: 0 })
      const batch = Buffer.alloc(40 * 1_200 + 700)
      for (let n = 0; n <= 40; n++) batch.writeUInt16BE(n, n * 1_200)
      const heard: [number, number][] = []

      await new Promise<void>((resolve) => {
        receiver.onDatagram((from, bytes, segmentBytes) => {
          assert.deepEqual(from, sender.local)
          assert.equal(segmentBytes, undefined, 'nobody asked for batches')
          heard.push([Buffer.from(bytes).readUInt16BE(0), bytes.length])
          if (heard.length === 41) resolve()
        })
        sender.sendBatch?.(receiver.local, batch, 1_200)
      })

      const expected = Array.from({ length: 41 }, (_, n) => [n, n === 40 ? 700 : 1_200])
      assert.deepEqual(heard, expected)
      assert.equal(sender.hasBatches, loadLibc() !== undefined)
      await Promise.all([receiver.close(), sender.close()])
    })
  }

  for (const address of ['127.0.0.1', '::1']) {
    it(`takes and sends over ${address} for many at a time, each with its own address`, async () => {
      const server = await openUdpSocket({ address, port: 0, isForMany: true })
      const clients = await Promise.all(
        Array.from({ length: 40 }, () => openUdpSocket({ address, port: 0 })),
      )
      // As each datagram says of itself: whose it is, which one, and how long.
      const say = (client: number, n: number): Buffer => {
        const datagram = Buffer.alloc(6 + ((client * 31 + n * 401) % 1_400), client)
        datagram.writeUInt16BE(client, 0)
        datagram.writeUInt16BE(n, 2)
        datagram.writeUInt16BE(datagram.length, 4)
        return datagram
      }
      server.onDatagram((from, bytes) => {
        assert.equal(from.port, clients[Buffer.from(bytes).readUInt16BE(0)]?.local.port)
        server.send(from, bytes)
      })
      const echoed = clients.map(() => 0)
      const wanted = 10 * clients.length
      let count = 0

      await new Promise<void>((resolve) => {
        for (const [index, client] of clients.entries()) {
          client.onDatagram((from, bytes) => {
            assert.deepEqual(from, server.local)
            assert.deepEqual(Buffer.from(bytes), say(index, echoed[index] ?? 0))
            echoed[index] = (echoed[index] ?? 0) + 1
            count += 1
            if (count === wanted) resolve()
          })
          for (let n = 0; n < 10; n++) client.send(server.local, say(index, n))
        }
      })

      await Promise.all([server, ...clients].map((socket) => socket.close()))
    })
  }

  it('goes on after a datagram for many that cannot be sent, is too long to go with others, or too long at all', async () => {
    const server = await openUdpSocket({ ...anyPort, isForMany: true })
    const client = await openUdpSocket(anyPort)
    const lengths: number[] = []
    const heard = new Promise<void>((resolve) =>
      client.onDatagram((_from, bytes) => {
        lengths.push(bytes.length)
        if (lengths.length === 3) resolve()
      }),
    )

    server.send({ family: 4, address: '192.0.2.1', port: 9 }, new Uint8Array(5)) // ENETUNREACH or EINVAL
    server.send({ family: 6, address: '::1', port: 9 }, new Uint8Array(5))
    server.send(client.local, new Uint8Array(1))
    server.send({ family: 4, address: '192.0.2.1', port: 9 }, new Uint8Array(5))
    server.send(client.local, new Uint8Array(2))
    server.send(client.local, new Uint8Array(20_000))
    server.send(client.local, new Uint8Array(70_000)) // EMSGSIZE

    await heard
    assert.deepEqual(
      lengths.sort((a, b) => a - b),
      [1, 2, 20_000],
    )
    await Promise.all([server.close(), client.close()])
    server.send(client.local, new Uint8Array(1))
  })

  it('takes nothing for a batch that says it holds more datagrams than the kernel glues', async () => {
    const receiver = await openUdpSocket({ ...anyPort, lengthOf: () => 1 })
    const sender = await openUdpSocket(anyPort)

    const heard = await new Promise<readonly [number, number | undefined]>((resolve) => {
      receiver.onDatagram((_from, bytes, segmentBytes) => resolve([bytes.length, segmentBytes]))
      sender.send(receiver.local, new Uint8Array(65))
    })

    assert.deepEqual(heard, [65, undefined])
    await Promise.all([receiver.close(), sender.close()])
  })

  it('says whether it can keep datagrams whole, and sends either way', async () => {
    const receiver = await openUdpSocket(anyPort)
    const sender = await openUdpSocket(anyPort)

    const isPossible = sender.setDontFragment(true)
    const received = new Promise<number>((resolve) =>
      receiver.onDatagram((_from, bytes) => resolve(bytes.length)),
    )
    sender.send(receiver.local, new Uint8Array(1_200))

    assert.equal(isPossible, loadLibc() !== undefined)
    assert.equal(await received, 1_200)
    await Promise.all([receiver.close(), sender.close()])
    assert.equal(sender.setDontFragment(true), false)
  })
})
