/** Our own connection, from dist/: what ships. HOLLER_PORTABLE=1 makes it do without the native helpers. */
import { randomBytes } from 'node:crypto'
import { drive } from '../../../dist/io/drive.js'
import { systemClock } from '../../../dist/io/system-clock.js'
import { openUdpSocket } from '../../../dist/io/udp-socket.js'
import { staticKeyFromSeed } from '../../../dist/crypto/static-key.js'
import { Connection } from '../../../dist/reliable-udp/connection.js'
import { packetBytes } from '../../../dist/reliable-udp/packet.js'
import { Pipe } from '../pipe.mjs'

const keys = [1, 2].map((byte) => staticKeyFromSeed(new Uint8Array(32).fill(byte)))
const HIGH_WATER_BYTES = 64 * 1024

export async function connect(role, { own, peer }) {
  const { address, port } = own
  const socket = await openUdpSocket({ address, port, lengthOf: packetBytes })
  socket.setDontFragment(true)
  process.send({ kind: 'listening' })
  const isInitiator = role === 'client'
  const connection = new Connection({
    role: isInitiator ? 'initiator' : 'responder',
    staticKey: isInitiator ? keys[0] : keys[1],
    ...(isInitiator ? { pattern: 'IK', remoteStatic: keys[1].publicKey } : {}),
    prologue: new Uint8Array(0),
    payload: new Uint8Array(0),
    initialId: new Uint8Array(8).fill(7),
    random: { bytes: (count) => randomBytes(count) },
    path: { to: { family: 4, address: peer.address, port: peer.port } },
  })
  const pipes = new Map()
  let onConnected
  const connected = new Promise((resolve) => (onConnected = resolve))
  const driver = drive(connection, {
    clock: systemClock,
    sockets: { primary: [socket] },
    onEvent: (event) => {
      if (event.kind === 'connected') onConnected()
      else if (event.kind === 'stream-opened') pipes.get(event.priority).open(event.stream)
      else if (event.kind === 'stream-readable') byStream(event.stream)?.read()
      else if (event.kind === 'stream-writable') byStream(event.stream)?.flush()
    },
  })
  const byStream = (stream) => [...pipes.values()].find((pipe) => pipe.stream === stream)

  for (const priority of ['bulk', 'chat']) pipes.set(priority, new OurPipe(driver, connection))
  if (isInitiator) driver.change((now) => connection.start(now))
  await connected
  for (const priority of ['bulk', 'chat']) {
    if (!isInitiator) continue
    pipes.get(priority).open(driver.change((now) => connection.openStream(now, { priority })))
  }
  return {
    bulk: pipes.get('bulk'),
    chat: pipes.get('chat'),
    stats: () => connection.stats,
    async close() {
      driver.change((now) => connection.close(now, 0, ''))
    },
  }
}

/** Writes of one turn go in as one change, as a Node stream's `writev` would have it. */
class OurPipe extends Pipe {
  #driver
  #connection
  #waiting = []
  #waitingBytes = 0
  #isPlanned = false
  #isFull = false
  stream

  constructor(driver, connection) {
    super(() => undefined)
    this.#driver = driver
    this.#connection = connection
  }

  open(stream) {
    this.stream = stream
    this.flush()
  }

  write(bytes) {
    this.#waiting.push(bytes)
    this.#waitingBytes += bytes.length
    this.#plan()
    this.#isFull = this.#waitingBytes >= HIGH_WATER_BYTES
    return !this.#isFull
  }

  #plan() {
    if (this.#isPlanned) return
    this.#isPlanned = true
    queueMicrotask(() => this.flush())
  }

  flush() {
    this.#isPlanned = false
    if (this.stream === undefined) return
    this.#driver.change((now) => this.#writeAll(now))
    if (!this.#isFull || this.#waitingBytes >= HIGH_WATER_BYTES) return
    this.#isFull = false
    this.emit('drain')
  }

  #writeAll(now) {
    let taken = 0
    for (const bytes of this.#waiting) {
      const written = this.#connection.write(now, this.stream, bytes)
      this.#waitingBytes -= written
      if (written < bytes.length) {
        this.#waiting[taken] = bytes.subarray(written)
        break
      }
      taken += 1
    }
    this.#waiting.splice(0, taken)
  }

  read() {
    this.#driver.change((now) => {
      for (;;) {
        const bytes = this.#connection.read(now, this.stream)
        if (bytes === undefined) return
        this.emit('data', bytes)
      }
    })
    // A Node stream takes the first write of a turn at once: an answer goes with the acknowledgement.
    if (this.#isPlanned) this.flush()
  }
}
