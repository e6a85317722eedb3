import fc from 'fast-check'
import { utf8 } from '../../../src/core/bytes.ts'
import { integerBetween, type Random } from '../../../src/core/random.ts'
import { readClientFirst } from '../../../src/crypto/scram.ts'
import { decodeClientMessage, decodeServerMessage } from '../../../src/protocol/server/decode.ts'
import { encodeClientMessage, encodeServerMessage } from '../../../src/protocol/server/encode.ts'
import { formatServerLink, parseServerLink } from '../../../src/protocol/server/link.ts'
import { encodeFrame, FrameDecoder } from '../../../src/tcp/frame.ts'
import {
  clientMessages,
  serverMessages,
} from '../../../test/protocol/support/arbitrary-messages.ts'
import { assertSameBytes, codecCheck, type FuzzTarget } from '../target.ts'

function sample<T>(random: Random, arbitrary: fc.Arbitrary<T>): readonly T[] {
  return fc.sample(arbitrary, { seed: integerBetween(random, 0, 2 ** 31 - 1), numRuns: 80 })
}

const MAX_FRAME_BYTES = 4096

/** However the stream is cut, the same frames come out, or the same refusal. */
function checkFrames(bytes: Uint8Array): boolean {
  const whole = new FrameDecoder(MAX_FRAME_BYTES).push(bytes)
  const cut = new FrameDecoder(MAX_FRAME_BYTES)
  const frames: Uint8Array[] = []
  let isRefused = false
  for (let at = 0; at < bytes.length && !isRefused; at += 7) {
    const read = cut.push(bytes.subarray(at, at + 7))
    if (read.ok) frames.push(...read.value.map((frame) => encodeFrame(frame)))
    else isRefused = true
  }
  if (isRefused !== !whole.ok) throw new Error('cut into pieces, it is read otherwise')
  if (!whole.ok) return false
  const expected = Buffer.concat(whole.value.map((frame) => encodeFrame(frame)))
  assertSameBytes(Buffer.concat(frames), expected)
  return whole.value.length > 0
}

const links = [
  'holler://chat.example.org:7443?pin=sha256-' + 'A'.repeat(43),
  'holler://[2001:db8::1]:9?x=y',
  'Example.ORG',
  'localhost:1/',
]

export const serverTargets: readonly FuzzTarget[] = [
  {
    name: 'server/messages-from-clients',
    about: 'XML that the server reads',
    format: 'text',
    inputs: (random) => sample(random, clientMessages).map(encodeClientMessage),
    check: codecCheck(decodeClientMessage, encodeClientMessage),
  },
  {
    name: 'server/messages-from-servers',
    about: 'XML that the daemon reads',
    format: 'text',
    inputs: (random) => sample(random, serverMessages).map(encodeServerMessage),
    check: codecCheck(decodeServerMessage, encodeServerMessage),
  },
  {
    name: 'server/frames',
    about: 'length-prefixed frames of a TCP stream',
    format: 'binary',
    inputs: (random) =>
      [1, 3, 200, 4096].map((length) =>
        Buffer.concat([encodeFrame(random.bytes(length)), encodeFrame(random.bytes(5))]),
      ),
    check: checkFrames,
  },
  {
    name: 'server/links',
    about: 'holler://HOST:PORT?pin=…',
    format: 'text',
    inputs: () => links.map(utf8),
    check: codecCheck(
      (bytes) => parseServerLink(Buffer.from(bytes).toString('utf8')),
      (link) => utf8(formatServerLink(link)),
    ),
  },
  {
    name: 'server/scram',
    about: 'the first words of a login',
    format: 'text',
    inputs: () => [utf8('p=tls-exporter,,n=ann=2Cb=3Dc,r=0123456789abcdefghij')],
    check: codecCheck((bytes) => readClientFirst(Buffer.from(bytes).toString('utf8'))),
  },
]
