/**
 * Whom the NAT or firewall lets in (RFC 4787 §5, RFC 5780 §4.4). A fresh socket speaks to one endpoint of a server alone;
 * may the server then answer it from another port, and from another address?
 *
 * An answer proves that it may. Silence proves little: at 5 % loss each way one question in ten stays unanswered. So
 * silence counts as filtering only when
 *
 *   - a plain question on the same socket was answered before it and after it,
 *   - it was repeated five times, on each of two fresh sockets,
 *   - the endpoint that kept silent does answer when it is asked directly (the mapping test did that).
 *
 * Everything else is `unknown`, with the reason. `judgeFiltering` is where that rule stands.
 */
import { sameEndpoint } from '../core/endpoint.ts'
import { type FilteringValue, judged, type Judgement, unknown } from './finding.ts'
import type { FullServer } from './mapping-probe.ts'
import type { Answer, Answers, ProbeSocket, Question } from './question.ts'
import type { ProbeScript } from './stun-probe.ts'
import { type Mode, negativeSchedule, patientSchedule } from './timing.ts'

export interface FilteringOptions {
  /** Two fresh sockets, which have sent nothing yet. */
  readonly sockets: readonly [ProbeSocket, ProbeSocket]
  readonly server: FullServer
  readonly mode: Mode
}

type Trial = 'first' | 'second'
type Step = 'before' | 'change-both' | 'change-port' | 'after'

const trials = ['first', 'second'] as const
const named = (trial: Trial, step: Step): string => `${trial} socket, ${step}`

export function filteringScript(options: FilteringOptions): ProbeScript<Judgement<FilteringValue>> {
  return {
    first: trials.map((trial) => question(options, trial, 'before')),
    next: (asked, answers) => nextQuestions(options, asked, answers),
    conclude(answers, isComplete) {
      const isOpen = trials.some((trial) => heardFrom(answers, trial, 'change-both') === 'other')
      return isOpen || isComplete ? judgeFiltering(options.server, answers) : undefined
    },
  }
}

function nextQuestions(
  options: FilteringOptions,
  asked: Question,
  answers: Answers,
): readonly Question[] {
  const trial = trials.find((candidate) => asked.name.startsWith(candidate))
  if (trial === undefined) return []
  if (asked.name === named(trial, 'before')) {
    const before = answers.get(asked.name)
    if (before?.kind !== 'answered') return []
    return (['change-both', 'change-port'] as const).map((step) =>
      question(options, trial, step, before.rttMs),
    )
  }
  const isTested =
    answers.has(named(trial, 'change-both')) && answers.has(named(trial, 'change-port'))
  const isControlled = asked.name === named(trial, 'after')
  return isTested && !isControlled ? [question(options, trial, 'after')] : []
}

function question(
  { sockets, server, mode }: FilteringOptions,
  trial: Trial,
  step: Step,
  rttMs = 0,
): Question {
  const { main, other } = server
  const asked = {
    name: named(trial, step),
    socket: sockets[trial === 'first' ? 0 : 1],
    server: main,
    to: main,
  }
  switch (step) {
    case 'before':
    case 'after':
      return { ...asked, schedule: patientSchedule(mode) }
    case 'change-both':
      return {
        ...asked,
        schedule: negativeSchedule(mode, rttMs),
        change: { address: true, port: true, expectedFrom: other },
      }
    case 'change-port':
      return {
        ...asked,
        schedule: negativeSchedule(mode, rttMs),
        change: { address: false, port: true, expectedFrom: { ...main, port: other.port } },
      }
  }
}

// ---- The judgement ---------------------------------------------------------------------------------------------------

/** From whom an answer to CHANGE-REQUEST came: from the `other` endpoint as asked, or not so. */
type Heard = 'other' | 'nobody' | 'wrong' | 'refused' | 'untested'

function judgeFiltering(server: FullServer, answers: Answers): Judgement<FilteringValue> {
  const both = trials.map((trial) => heardFrom(answers, trial, 'change-both'))
  const port = trials.map((trial) => heardFrom(answers, trial, 'change-port'))
  if (both.includes('other')) return judged('endpoint-independent', 0.99)
  const heard = [...both, ...port]
  if (heard.includes('refused')) return unknown('the server refuses CHANGE-REQUEST')
  if (heard.includes('wrong'))
    return unknown('the server does not answer from where CHANGE-REQUEST says')
  if (!server.answersAtOther) return unknown('the server does not answer at its other address')
  const lack = lackOfControl(answers)
  if (lack !== undefined) return unknown(lack)
  if (port.includes('other')) return judged('address-dependent', 0.99)
  if (!server.answersAtOtherPort) return unknown('the server does not answer at its other port')
  return judged('address-and-port-dependent', 0.99)
}

function lackOfControl(answers: Answers): string | undefined {
  for (const trial of trials) {
    if (answers.get(named(trial, 'before'))?.kind !== 'answered') {
      return 'the server did not answer a plain question before the test'
    }
    if (answers.get(named(trial, 'after'))?.kind !== 'answered') {
      return 'the server no longer answered a plain question after the test: too much loss, or a router that blocks a source of unsolicited packets'
    }
  }
  return undefined
}

function heardFrom(answers: Answers, trial: Trial, step: 'change-both' | 'change-port'): Heard {
  const answer = answers.get(named(trial, step))
  const before = answers.get(named(trial, 'before'))
  if (answer === undefined || before?.kind !== 'answered') return 'untested'
  switch (answer.kind) {
    case 'silent':
      return 'nobody'
    case 'refused':
      return 'refused'
    case 'answered':
      return isGenuine(answer, before) ? 'other' : 'wrong'
  }
}

// The server's word for where it answered from (RESPONSE-ORIGIN) must agree with where the answer came from.
function isGenuine(
  answer: Extract<Answer, { readonly kind: 'answered' }>,
  before: Extract<Answer, { readonly kind: 'answered' }>,
): boolean {
  if (sameEndpoint(answer.from, before.from)) return false
  return answer.origin === undefined || sameEndpoint(answer.origin, answer.from)
}
