/**
 * Does a packet from outside that comes too early make the NAT choose another port? Linux masquerade does so where the
 * router itself takes such a packet: the flow is then its own, and the inside host, when it sends there, must make do with
 * another port than the one that its peer was told. Who punches holes must then let the NAT's owner speak first.
 *
 * A fresh socket asks a server, has it answer from its other address (which is filtered: nothing was sent there), and then
 * asks that other address itself. Elsewhere the mapping is endpoint-independent; another port here is what the early packet
 * did. That is claimed when a second fresh socket shows the same.
 */
import { judged, type Judgement, unknown } from './finding.ts'
import type { FullServer } from './mapping-probe.ts'
import type { Answer, Answers, ProbeSocket, Question } from './question.ts'
import type { ProbeScript } from './stun-probe.ts'
import { type Mode, negativeSchedule, patientSchedule } from './timing.ts'

export interface PoisonOptions {
  /** Two fresh sockets. */
  readonly sockets: readonly [ProbeSocket, ProbeSocket]
  readonly server: FullServer
  readonly mode: Mode
}

type Trial = 0 | 1
type Step = 'before' | 'early' | 'late'

const named = (trial: Trial, step: Step): string => `poisoning, socket ${trial + 1}, ${step}`

export function poisonScript(options: PoisonOptions): ProbeScript<Judgement<boolean | 'unknown'>> {
  return {
    first: [question(options, 0, 'before')],
    next: (asked, answers) => [
      ...nextOf(options, 0, asked.name, answers),
      ...nextOf(options, 1, asked.name, answers),
    ],
    conclude: (answers, isComplete) => (isComplete ? judgePoison(answers) : undefined),
  }
}

function nextOf(
  options: PoisonOptions,
  trial: Trial,
  name: string,
  answers: Answers,
): readonly Question[] {
  switch (name) {
    case named(trial, 'before'):
      return isAnswered(answers, name) ? [question(options, trial, 'early')] : []
    case named(trial, 'early'):
      return answers.get(name)?.kind === 'silent' ? [question(options, trial, 'late')] : []
    case named(trial, 'late'):
      return trial === 0 && portOf(answers, 0) === 'other' ? [question(options, 1, 'before')] : []
    default:
      return []
  }
}

function question({ sockets, server, mode }: PoisonOptions, trial: Trial, step: Step): Question {
  const { main, other, rttMs } = server
  const asked = { name: named(trial, step), socket: sockets[trial], server: main, to: main }
  switch (step) {
    case 'before':
      return { ...asked, schedule: patientSchedule(mode) }
    case 'early':
      return {
        ...asked,
        schedule: negativeSchedule(mode, rttMs),
        change: { address: true, port: true, expectedFrom: other },
      }
    case 'late':
      return { ...asked, to: other, schedule: patientSchedule(mode) }
  }
}

function judgePoison(answers: Answers): Judgement<boolean | 'unknown'> {
  const early = answers.get(named(0, 'early'))
  if (early?.kind === 'answered') return judged(false, 0.99, 'early packets are let in')
  if (early?.kind === 'refused') return unknown('the server refuses CHANGE-REQUEST')
  const [first, second] = [portOf(answers, 0), portOf(answers, 1)]
  if (first === 'same') return judged(false, 0.95)
  if (first === 'other' && second === 'other') return judged(true, 0.99)
  if (answers.get(named(0, 'late'))?.kind === 'silent') {
    return unknown('after an early packet its sender could not be reached any more')
  }
  return unknown('too much was lost, or two sockets were treated differently')
}

/** The port towards the early sender, against the one before. */
function portOf(answers: Answers, trial: Trial): 'same' | 'other' | undefined {
  const before = mappedPort(answers.get(named(trial, 'before')))
  const late = mappedPort(answers.get(named(trial, 'late')))
  if (before === undefined || late === undefined) return undefined
  return before === late ? 'same' : 'other'
}

function mappedPort(answer: Answer | undefined): number | undefined {
  return answer?.kind === 'answered' ? answer.mapped.port : undefined
}

function isAnswered(answers: Answers, name: string): boolean {
  return answers.get(name)?.kind === 'answered'
}
