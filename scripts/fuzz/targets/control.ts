import { utf8 } from '../../../src/core/bytes.ts'
import { identifierOf, readRequest } from '../../../src/protocol/control/request.ts'
import { encodeJsonLine, JsonLineDecoder } from '../../../src/protocol/control/json-lines.ts'
import { assertSameBytes, type FuzzTarget } from '../target.ts'

const MAX_LINE_BYTES = 4096

/** However the stream is cut, the same lines come out; what is JSON survives being written again. */
function checkLines(bytes: Uint8Array): boolean {
  const whole = new JsonLineDecoder(MAX_LINE_BYTES).push(bytes)
  const cut = new JsonLineDecoder(MAX_LINE_BYTES)
  const pieces = Array.from({ length: Math.ceil(bytes.length / 7) }, (_, index) =>
    cut.push(bytes.subarray(index * 7, index * 7 + 7)),
  ).flat()
  const words = (results: typeof whole): string =>
    results.map((result) => (result.ok ? JSON.stringify(result.value) : result.why)).join('\n')
  assertSameBytes(utf8(words(pieces)), utf8(words(whole)))
  for (const line of whole) {
    if (!line.ok) continue
    readRequest(line.value)
    identifierOf(line.value)
    const written = encodeJsonLine(line.value)
    const [again] = new JsonLineDecoder().push(written)
    if (again?.ok !== true) throw new Error('what was written is not understood')
    assertSameBytes(encodeJsonLine(again.value), written)
  }
  return whole.some((line) => line.ok)
}

const requests: readonly unknown[] = [
  { jsonrpc: '2.0', id: 1, method: 'status' },
  { jsonrpc: '2.0', id: 'x', method: 'message.send', params: { to: 'ann', text: 'hi\n\ud800' } },
  { jsonrpc: '2.0', method: 'a', params: { list: [1, 2.5, -0, 1e300, null, true, { a: [[]] }] } },
  [{ jsonrpc: '2.0' }],
]

export const controlTargets: readonly FuzzTarget[] = [
  {
    name: 'control/lines',
    about: 'JSON lines and requests of the control socket',
    format: 'text',
    inputs: () => [
      ...requests.map(encodeJsonLine),
      Buffer.concat(requests.map((request) => encodeJsonLine(request))),
    ],
    repair: (bytes) => Buffer.concat([bytes, utf8('\n')]),
    check: checkLines,
  },
]
