/**
 * How large a datagram may be on the way to the server, and whether larger ones arrive in fragments (RFC 4787 §10, 13).
 *
 * MTU: questions of growing size leave with "don't fragment" set, and are answered shortly; the largest that was answered
 * is the path's. Some paths swallow what is too large without a word (RFC 2923), so nothing is concluded from ICMP.
 * Fragments: a question of 2000 bytes cannot arrive but in fragments; with PADDING its answer is as long (RFC 5780 §7.6)
 * and comes back in fragments too.
 */
import type { Endpoint } from '../core/endpoint.ts'
import { type Judgement, judged, unknown } from './finding.ts'
import type { Answer, Answers, ProbeSocket, Question } from './question.ts'
import type { ProbeScript } from './stun-probe.ts'
import { type Mode, negativeSchedule, patientSchedule } from './timing.ts'

export interface SizeOptions {
  /** It forbids fragments; absent where the system cannot. */
  readonly unfragmented?: ProbeSocket
  readonly sockets: readonly [ProbeSocket, ProbeSocket]
  readonly server: Endpoint
  readonly rttMs: number
  readonly mode: Mode
}

export interface SizeResult {
  /** In bytes, of IP packets. */
  readonly mtu: Judgement<number | 'unknown'>
  readonly fragments: Judgement<boolean | 'unknown'>
}

/** Ethernet; then PPPoE (1492), its neighbours, tunnels, VPNs (1420 WireGuard), and IPv6's least, which all must carry. */
const FULL = 1500
const LESSER = [1492, 1480, 1460, 1440, 1420, 1400, 1360, 1280] as const

/** With UDP's header, RFC 768 and RFC 791 or 8200. */
const HEADER_BYTES = { 4: 28, 6: 48 } as const

/** Two fragments on any path. */
const FRAGMENTED = 2000

export function sizeScript(options: SizeOptions): ProbeScript<SizeResult> {
  return {
    first: [
      ...(options.unfragmented === undefined ? [] : [whole(options, options.unfragmented, FULL)]),
      ...([0, 1] as const).flatMap((index) =>
        directions.map((direction) => fragmented(options, index, direction)),
      ),
    ],
    next: (question, answers) => nextQuestions(options, question, answers),
    conclude: (answers, isComplete) =>
      isComplete
        ? { mtu: judgedMtu(options, answers), fragments: judgedFragments(answers) }
        : undefined,
  }
}

const directions = ['there', 'there and back'] as const
type Direction = (typeof directions)[number]

const wholeName = (bytes: number): string => `${bytes} bytes unfragmented`
const fragmentedName = (index: 0 | 1, direction: Direction): string =>
  `fragments ${direction}, ${index === 0 ? 'first' : 'second'} socket`

function nextQuestions(
  options: SizeOptions,
  { name }: Question,
  answers: Answers,
): readonly Question[] {
  const { unfragmented, sockets, server, mode } = options
  const isLesser = name === wholeName(FULL) && answers.get(name)?.kind !== 'answered'
  const lesser =
    isLesser && unfragmented !== undefined
      ? LESSER.map((bytes) => whole(options, unfragmented, bytes))
      : []
  const fragments = ([0, 1] as const).flatMap((index) =>
    directions.map((direction) => fragmentedName(index, direction)),
  )
  const isControlled = name === 'after' || answers.has('after')
  const areSilent = fragments.some((one) => answers.get(one)?.kind === 'silent')
  const needsControl = fragments.at(-1) === name && areSilent && !isControlled
  const schedule = patientSchedule(mode)
  const after: Question = { name: 'after', socket: sockets[0], server, to: server, schedule }
  return needsControl ? [...lesser, after] : lesser
}

function whole({ server, rttMs }: SizeOptions, socket: ProbeSocket, bytes: number): Question {
  const schedule = negativeSchedule('quick', rttMs)
  const payload = bytes - HEADER_BYTES[server.family]
  const size = { bytes: payload, isAnswerPadded: false }
  return { name: wholeName(bytes), socket, server, to: server, schedule, size }
}

function fragmented(
  { sockets, server, rttMs }: SizeOptions,
  index: 0 | 1,
  direction: Direction,
): Question {
  const name = fragmentedName(index, direction)
  const schedule = negativeSchedule('quick', rttMs)
  const size = { bytes: FRAGMENTED, isAnswerPadded: direction === 'there and back' }
  return { name, socket: sockets[index], server, to: server, schedule, size }
}

function judgedMtu({ unfragmented }: SizeOptions, answers: Answers): SizeResult['mtu'] {
  if (unfragmented === undefined) {
    return unknown(
      'this system gives no means to forbid fragments (the package koffi is not there)',
    )
  }
  const passed = [FULL, ...LESSER].find(
    (bytes) => answers.get(wholeName(bytes))?.kind === 'answered',
  )
  if (passed === undefined) return unknown('no question of 1280 bytes or more was answered')
  return judged(passed, passed === FULL ? 0.99 : 0.9)
}

function judgedFragments(answers: Answers): SizeResult['fragments'] {
  const heard = (direction: Direction): readonly Answer[] =>
    ([0, 1] as const).flatMap((index) => {
      const answer = answers.get(fragmentedName(index, direction))
      return answer === undefined || answer.kind === 'silent' ? [] : [answer]
    })
  const back = heard('there and back')
  if (back.some(isLong)) return judged(true, 0.99)
  if (back.length > 0)
    return unknown('the server does not make its answers as long as it is asked to')
  if (answers.get('after')?.kind !== 'answered') {
    return unknown('the server no longer answered a plain question after the test: too much loss')
  }
  return heard('there').length > 0
    ? judged(false, 0.9, 'fragments arrive at the server, and its own do not come back')
    : judged(false, 0.9, 'a question in fragments is not answered')
}

/** So long that it came in fragments. */
function isLong(answer: Answer): boolean {
  return answer.kind === 'answered' && (answer.paddingBytes ?? 0) > FULL
}
