import { utf8 } from '../../../src/core/bytes.ts'
import { type Decoded, decoded, malformed } from '../../../src/core/decoded.ts'
import { instant } from '../../../src/core/instant.ts'
import type { Random } from '../../../src/core/random.ts'
import { staticKeyFromSeed } from '../../../src/crypto/static-key.ts'
import { Connection } from '../../../src/reliable-udp/connection.ts'
import { AMPLIFICATION_LIMIT } from '../../../src/reliable-udp/handshake-responder.ts'
import { FrameWriter } from '../../../src/reliable-udp/frame-writer.ts'
import {
  decodeHandshakePayload,
  encodeHandshakePayload,
} from '../../../src/reliable-udp/handshake.ts'
import {
  decodeHandshakePacket,
  decodeRetry,
  decodeVersionNegotiation,
  encodeHandshakePacket,
  encodeRetry,
  encodeVersionNegotiation,
} from '../../../src/reliable-udp/handshake-packet.ts'
import {
  DATA_OVERHEAD_BYTES,
  PacketReader,
  writeDataHeader,
} from '../../../src/reliable-udp/packet.ts'
import { RangeSet } from '../../../src/reliable-udp/range-set.ts'
import type { StreamId } from '../../../src/reliable-udp/streams/stream-id.ts'
import type { TransportParameters } from '../../../src/reliable-udp/transport-parameters.ts'
import { type CollectedFrame, collectFrames } from '../../../test/reliable-udp/frame-collector.ts'
import { below, MAX_INPUT_BYTES, pick } from '../mutation.ts'
import { codecCheck, type FuzzTarget } from '../target.ts'

const AT = instant(1000)
const FROM = { family: 4, address: '192.0.2.1', port: 1000 } as const

/** Where varints change their length, and where JavaScript stops counting. */
const SIZES = [0, 1, 63, 64, 16_383, 16_384, 2 ** 30 - 1, 2 ** 30, 2 ** 32, Number.MAX_SAFE_INTEGER]

function size(random: Random): number {
  return below(random, 2) === 0 ? pick(random, SIZES) : below(random, 300)
}

function someRanges(random: Random): RangeSet {
  const ranges = new RangeSet()
  let at = size(random) / 2
  for (let count = 1 + below(random, 40); count > 0; count--) {
    at = Math.floor(at) + 1 + below(random, 1000)
    ranges.add(at, at + 1 + below(random, 100))
  }
  return ranges
}

function writeSomeFrame(writer: FrameWriter, random: Random): void {
  const stream = size(random) as StreamId
  const length = below(random, 60)
  const writes = [
    () => writer.zeros(below(random, 4)),
    () => writer.ping(),
    () => writer.ack(someRanges(random), below(random, 1000) / 8),
    () => {
      writer.streamHeader(stream, size(random), length, below(random, 2) === 0)
      writer.raw(random.bytes(length))
    },
    () => writer.resetStream(stream, size(random), size(random)),
    () => writer.stopSending(stream, size(random)),
    () => writer.keyUpdate(size(random)),
    () => writer.maxData(size(random)),
    () => writer.maxStreamData(stream, size(random)),
    () => writer.maxStreams(below(random, 64), size(random)),
    () => writer.newConnectionId(size(random), 0, random.bytes(8), random.bytes(16)),
    () => writer.pathChallenge(random.bytes(8)),
    () => writer.pathResponse(random.bytes(8)),
    () =>
      writer.close(
        below(random, 2) === 0,
        size(random),
        'enough, ' + 'ä€😀'.repeat(below(random, 40)),
      ),
    () => writer.datagram(random.bytes(length)),
  ]
  pick(random, writes)()
}

function someFrames(random: Random): Uint8Array {
  const writer = new FrameWriter(new Uint8Array(8192))
  for (let count = 1 + below(random, 8); count > 0; count--) writeSomeFrame(writer, random)
  return writer.bytes.slice(0, writer.at)
}

/** ACK delays are read as milliseconds; beyond this the two conversions lose a digit. */
const LONGEST_EXACT_DELAY_MS = 2 ** 40

/** `undefined` for what our writer never writes. */
function rewritten(frames: readonly CollectedFrame[]): Uint8Array | undefined {
  const writer = new FrameWriter(new Uint8Array(4 * MAX_INPUT_BYTES))
  for (const [name, ...fields] of frames) {
    if (!rewriteFrame(writer, name, fields)) return undefined
  }
  return writer.at === 0 ? undefined : writer.bytes.slice(0, writer.at) // PADDING alone
}

function rewriteFrame(writer: FrameWriter, name: string, fields: readonly unknown[]): boolean {
  const [a = 0, b = 0, c = 0] = fields as number[]
  const bytes = (field: unknown): Uint8Array => Buffer.from(String(field), 'hex')
  switch (name) {
    case 'ping':
      return writer.ping()
    case 'ack': {
      const ranges = new RangeSet()
      for (const [start = 0, end = 0] of fields.slice(1) as number[][]) ranges.add(start, end)
      return a < LONGEST_EXACT_DELAY_MS && writer.ack(ranges, a)
    }
    case 'stream': {
      const payload = bytes(fields[2])
      writer.streamHeader(a as StreamId, b, payload.length, fields[3] === true)
      writer.raw(payload)
      return true
    }
    case 'reset-stream':
      return writer.resetStream(a as StreamId, b, c)
    case 'stop-sending':
      return writer.stopSending(a as StreamId, b)
    case 'key-update':
      return writer.keyUpdate(a)
    case 'max-data':
      return writer.maxData(a)
    case 'max-stream-data':
      return writer.maxStreamData(a as StreamId, b)
    case 'max-streams':
      return a < 64 && writer.maxStreams(a, b)
    case 'new-connection-id':
      return writer.newConnectionId(a, b, bytes(fields[2]), new Uint8Array(16))
    case 'path-challenge':
      return writer.pathChallenge(bytes(fields[0]))
    case 'path-response':
      return writer.pathResponse(bytes(fields[0]))
    case 'close':
      return writer.close(fields[0] === true, b, String(fields[2]))
    case 'datagram':
      return writer.datagram(bytes(fields[0]))
    default:
      throw new Error(`The fuzzer does not know the frame "${name}"`)
  }
}

function readFrames(bytes: Uint8Array): Decoded<readonly CollectedFrame[]> {
  const { frames, violation } = collectFrames(bytes)
  return violation === undefined ? decoded(frames) : malformed(violation.text)
}

function someParameters(random: Random): TransportParameters {
  return {
    idleTimeoutMs: size(random),
    maxDatagramBytes: 1200 + below(random, 64_000),
    maxBytes: size(random),
    maxStreamBytes: size(random),
    maxStreams: size(random),
    maxAckDelayMs: below(random, 2 ** 14),
    sourceId: random.bytes(8),
    resetToken: below(random, 2) === 0 ? undefined : random.bytes(16),
  }
}

function some(random: Random, count: number, make: (random: Random) => Uint8Array): Uint8Array[] {
  return Array.from({ length: count }, () => make(random))
}

function someHandshakePacket(random: Random): Uint8Array {
  return encodeHandshakePacket(
    {
      step: pick(random, ['initial', 'response', 'final'] as const),
      pattern: pick(random, ['IK', 'XX'] as const),
      version: pick(random, [1, 2, 0x1a2a3a4a]),
      destination: random.bytes(8),
      source: random.bytes(8),
      token: random.bytes(below(random, 30)),
      message: random.bytes(below(random, 200)),
    },
    pick(random, [0, 1200]),
  )
}

function someDataPacket(random: Random): Uint8Array {
  const bytes = new Uint8Array(DATA_OVERHEAD_BYTES + below(random, 100))
  writeDataHeader(bytes, 0, {
    destination: random.bytes(8),
    packetBytes: bytes.length,
    number: size(random),
    keyPhase: below(random, 4),
    asksForAck: below(random, 2) === 0,
  })
  return bytes
}

/** Walks through a datagram as a connection does. */
function walkPackets(bytes: Uint8Array): boolean {
  const packet = new PacketReader()
  let at = 0
  while (at < bytes.length && packet.read(bytes, at)) {
    if (packet.end <= at || packet.end > bytes.length)
      throw new Error('the reader left the datagram')
    at = packet.end
  }
  return at > 0
}

function newConnection(role: 'initiator' | 'responder', pattern: 'IK' | 'XX'): Connection {
  const responder = staticKeyFromSeed(new Uint8Array(32).fill(2))
  let drawn = 0
  return new Connection({
    role,
    pattern,
    staticKey: role === 'initiator' ? staticKeyFromSeed(new Uint8Array(32).fill(1)) : responder,
    ...(role === 'initiator' && pattern === 'IK' ? { remoteStatic: responder.publicKey } : {}),
    prologue: utf8('fuzz'),
    payload: utf8('hello'),
    initialId: new Uint8Array(8).fill(7),
    random: { bytes: (count) => new Uint8Array(count).fill((drawn += 1)) },
    path: { to: FROM },
  })
}

function drain(connection: Connection): Uint8Array[] {
  const sent: Uint8Array[] = []
  for (let next = connection.pollTransmit(); next !== undefined; next = connection.pollTransmit()) {
    sent.push(next.bytes)
  }
  while (connection.pollEvent() !== undefined) continue
  connection.pollTimeout()
  return sent
}

/** What both sides say until the initiator has sent its first data. */
function conversation(pattern: 'IK' | 'XX'): Uint8Array[] {
  const initiator = newConnection('initiator', pattern)
  const responder = newConnection('responder', pattern)
  initiator.start(AT)
  const all: Uint8Array[] = []
  for (let round = 0; round < 3; round++) {
    const there = drain(initiator)
    for (const bytes of there) responder.handleDatagram(AT, FROM, bytes)
    const back = drain(responder)
    for (const bytes of back) initiator.handleDatagram(AT, FROM, bytes)
    all.push(...there, ...back)
  }
  return all
}

/** Whole connections: whatever comes, they neither throw nor answer beyond what the sender's address is worth. */
function checkConnection(bytes: Uint8Array): boolean {
  const pattern = (bytes.length & 1) === 0 ? 'IK' : 'XX'
  const initiator = newConnection('initiator', pattern)
  const responder = newConnection('responder', pattern)
  let answerBytes = 0
  for (const connection of [initiator, responder]) {
    connection.start(AT)
    drain(connection)
    connection.handleDatagram(AT, FROM, bytes)
    for (const answer of drain(connection)) answerBytes += answer.length
    connection.handleTimeout(instant(2000))
    drain(connection)
  }
  if (answerBytes > AMPLIFICATION_LIMIT * bytes.length) throw new Error('amplifies')
  return answerBytes > 0 || initiator.state === 'connected'
}

export const reliableUdpTargets: readonly FuzzTarget[] = [
  {
    name: 'reliable-udp/frames',
    about: 'what is inside an opened packet',
    format: 'binary',
    inputs: (random) => some(random, 200, someFrames),
    check: codecCheck(readFrames, rewritten),
  },
  {
    name: 'reliable-udp/packets',
    about: 'headers of the packets of a datagram',
    format: 'binary',
    inputs: (random) => some(random, 100, someDataPacket),
    check: walkPackets,
  },
  {
    name: 'reliable-udp/handshake-packets',
    about: 'headers around Noise messages',
    format: 'binary',
    inputs: (random) => some(random, 60, someHandshakePacket),
    check: codecCheck(decodeHandshakePacket, (packet) => encodeHandshakePacket(packet)),
  },
  {
    name: 'reliable-udp/retries',
    about: 'the cookie of a busy responder',
    format: 'binary',
    inputs: (random) =>
      some(random, 10, () =>
        encodeRetry({
          destination: random.bytes(8),
          source: random.bytes(8),
          token: random.bytes(20),
        }),
      ),
    check: codecCheck(decodeRetry, encodeRetry),
  },
  {
    name: 'reliable-udp/version-negotiation',
    about: 'the answer to an unknown version',
    format: 'binary',
    inputs: (random) =>
      some(random, 20, () =>
        encodeVersionNegotiation({
          destination: random.bytes(8),
          source: random.bytes(8),
          versions: Array.from({ length: below(random, 20) }, () => below(random, 2 ** 32)),
        }),
      ),
    check: codecCheck(decodeVersionNegotiation, encodeVersionNegotiation),
  },
  {
    name: 'reliable-udp/handshake-payloads',
    about: 'transport parameters and what the application adds',
    format: 'binary',
    inputs: (random) =>
      some(random, 60, () =>
        encodeHandshakePayload(someParameters(random), random.bytes(below(random, 50))),
      ),
    check: codecCheck(decodeHandshakePayload, ({ parameters, payload }) =>
      encodeHandshakePayload(parameters, payload),
    ),
  },
  {
    name: 'reliable-udp/connections',
    about: 'whole connections, from their first datagram on',
    format: 'binary',
    inputs: () => [...conversation('IK'), ...conversation('XX')],
    check: checkConnection,
  },
]
