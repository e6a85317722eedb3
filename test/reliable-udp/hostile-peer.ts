/** A peer that has the keys and none of the manners: it sends whatever frames a test thinks of. */
import { strict as assert } from 'node:assert'
import { utf8 } from '../../src/core/bytes.ts'
import { instant } from '../../src/core/instant.ts'
import type { ConnectionEvent } from '../../src/reliable-udp/connection-event.ts'
import { Connection } from '../../src/reliable-udp/connection.ts'
import { FrameWriter } from '../../src/reliable-udp/frame-writer.ts'
import { HandshakeInitiator } from '../../src/reliable-udp/handshake-initiator.ts'
import {
  DATA_HEADER_BYTES,
  DATA_OVERHEAD_BYTES,
  PacketReader,
} from '../../src/reliable-udp/packet.ts'
import { PacketProtection } from '../../src/reliable-udp/packet-protection.ts'
import { SeededRandom } from '../sim/seeded-random.ts'
import { type CollectedFrame, collectFrames } from './frame-collector.ts'
import { addressA, INITIAL_ID, staticA, staticB } from './pair.ts'

export class HostilePeer {
  readonly victim: Connection
  readonly events: ConnectionEvent[] = []
  /** What the victim sent, as frames. */
  readonly answers: CollectedFrame[] = []
  readonly random: SeededRandom
  datagramsFromVictim = 0
  bytesFromVictim = 0
  now = 1_000_000
  number = 0
  readonly #protection: PacketProtection
  readonly #victimId: Uint8Array

  constructor(seed = 1) {
    this.random = new SeededRandom(seed)
    const common = { prologue: utf8('prologue'), initialId: INITIAL_ID, payload: utf8('hm') }
    this.victim = new Connection({
      ...common,
      role: 'responder',
      staticKey: staticB,
      random: this.random.fork('victim'),
      path: { to: addressA },
    })
    const handshake = new HandshakeInitiator({
      ...common,
      pattern: 'IK',
      staticKey: staticA,
      remoteStatic: staticB.publicKey,
      random: this.random.fork('hostile'),
      parameters: {
        idleTimeoutMs: 30_000,
        maxDatagramBytes: 1472,
        maxBytes: 100_000,
        maxStreamBytes: 50_000,
        maxStreams: 10,
        maxAckDelayMs: 25,
        sourceId: new Uint8Array(8).fill(9),
        resetToken: undefined,
      },
    })
    handshake.start(instant(this.now))
    this.victim.handleDatagram(
      instant(this.now),
      addressA,
      handshake.pollDatagram()?.bytes ?? INITIAL_ID,
    )
    handshake.handlePacket(instant(this.now), this.victim.pollTransmit()?.bytes ?? INITIAL_ID)
    const { established } = handshake
    assert.ok(established !== undefined)
    this.#protection = new PacketProtection(established.keys, 'initiator')
    this.#victimId = established.parameters.sourceId
    this.send((writer) => writer.ping())
    assert.equal(this.victim.state, 'connected')
  }

  /** Why the victim closed, if it did. */
  get violation(): { readonly code: number; readonly text: string } | undefined {
    const closed = this.events.find((event) => event.kind === 'closed')
    if (closed === undefined) return undefined
    assert.equal(closed.reason, 'protocol-violation')
    return { code: closed.code, text: closed.text }
  }

  send(write: (writer: FrameWriter) => void): void {
    const writer = new FrameWriter(new Uint8Array(1400))
    write(writer)
    this.sendPayload(writer.bytes.subarray(0, writer.at))
  }

  sendPayload(payload: Uint8Array): void {
    const bytes = new Uint8Array(payload.length + DATA_OVERHEAD_BYTES)
    const header = {
      destination: this.#victimId,
      packetBytes: bytes.length,
      number: this.number++,
      keyPhase: this.#protection.sendGeneration & 3,
      asksForAck: false,
    }
    bytes.set(payload, DATA_HEADER_BYTES)
    this.#protection.seal(bytes, 0, DATA_HEADER_BYTES + payload.length, header)
    this.sendRaw(bytes)
  }

  updateKeys(): void {
    this.#protection.advanceSending()
  }

  sendRaw(bytes: Uint8Array): void {
    this.victim.handleDatagram(instant(this.now), addressA, bytes)
    this.#drain()
  }

  /** Lets time pass; the victim is woken whenever it wants to be. */
  run(ms: number): void {
    const until = this.now + ms
    for (;;) {
      const timeout = this.victim.pollTimeout()
      if (timeout === undefined || timeout > until) break
      this.now = Math.max(this.now, timeout)
      this.victim.handleTimeout(instant(this.now))
      this.#drain()
    }
    this.now = until
  }

  #drain(): void {
    for (;;) {
      const transmit = this.victim.pollTransmit()
      if (transmit === undefined) break
      assert.deepEqual(transmit.to, addressA)
      this.datagramsFromVictim += 1
      this.bytesFromVictim += transmit.bytes.length
      this.#read(transmit.bytes)
    }
    for (
      let event = this.victim.pollEvent();
      event !== undefined;
      event = this.victim.pollEvent()
    ) {
      this.events.push(event)
    }
    this.victim.pollTimeout()
  }

  #read(bytes: Uint8Array): void {
    const packet = new PacketReader()
    if (!packet.read(bytes, 0) || packet.kind !== 'data') return
    const payload = new Uint8Array(packet.end - packet.start - DATA_OVERHEAD_BYTES)
    const isOpen = this.#protection.open(bytes, packet, packet.truncatedNumber, payload)
    if (isOpen) this.answers.push(...collectFrames(payload).frames)
  }
}
