/**
 * First mapping and public address (RFC 5780 §4.3): one socket asks several endpoints, and the mapped addresses tell what
 * the mapping depends on. `mapping-judgement.ts` judges; here is what is asked.
 *
 * Every server is asked at its main endpoint. The first to answer that names a credible other address is then asked
 * on its three other endpoints too: that is the whole test. With nothing but plain servers, their answers must do.
 */
import { type Endpoint, keyOf } from '../core/endpoint.ts'
import { isCredibleOther } from './address-scope.ts'
import type { Judgement, MappingValue } from './finding.ts'
import { judgeMapping, type Observation } from './mapping-judgement.ts'
import type { Answer, Answers, ProbeSocket, Question } from './question.ts'
import type { ProbeScript } from './stun-probe.ts'
import { type Mode, patientSchedule } from './timing.ts'

export interface MappingOptions {
  readonly socket: ProbeSocket
  /** In the user's order, each once. */
  readonly servers: readonly Endpoint[]
  readonly mode: Mode
  /** This host's own addresses: who is seen with one of them is behind no NAT. */
  readonly ownAddresses: readonly string[]
}

/** A server with two addresses, and from where else it was heard when asked there. */
export interface FullServer {
  readonly main: Endpoint
  /** The other address and port (OTHER-ADDRESS). */
  readonly other: Endpoint
  /** Whether the endpoints that CHANGE-REQUEST names answer when asked directly: else their silence proves nothing. */
  readonly answersAtOther: boolean
  readonly answersAtOtherPort: boolean
  readonly rttMs: number
}

export interface MappingResult {
  readonly mapping: Judgement<MappingValue>
  /** As the servers saw this one socket, each once. */
  readonly public: readonly Endpoint[]
  /** `undefined` when nobody answered. */
  readonly isNatted: boolean | undefined
  /** MAPPED-ADDRESS differs from XOR-MAPPED-ADDRESS: something on the way rewrites addresses inside packets. */
  readonly rewritesPayload: boolean | undefined
  readonly answered: readonly ServerAnswer[]
  /** Asked in vain. A server in neither list was still being asked when the result was certain. */
  readonly silent: readonly Endpoint[]
  readonly full: FullServer | undefined
}

export interface ServerAnswer {
  readonly server: Endpoint
  readonly rttMs: number
  readonly hasAlternateAddress: boolean
}

type Chosen = Pick<FullServer, 'main' | 'other' | 'rttMs'>
type Answered = Extract<Answer, { readonly kind: 'answered' }>

export function mappingScript(options: MappingOptions): ProbeScript<MappingResult> {
  const { servers } = options
  return {
    first: servers.map((server) => mainQuestion(options, server)),
    next: (question, answers) => nextQuestions(options, question, answers),
    conclude(answers, isComplete) {
      const full = fullServer(servers, answers)
      const isCertain = full !== undefined && isFullyAsked(full.main, full.other, answers)
      return isComplete || isCertain ? mappingResult(options, answers) : undefined
    },
  }
}

// ---- What is asked ---------------------------------------------------------------------------------------------------

const main = (server: Endpoint): string => `binding ${keyOf(server)}`
const alternates = ['other-address', 'other-address-and-port', 'other-port'] as const
type Alternate = (typeof alternates)[number]
const alternate = (server: Endpoint, which: Alternate): string =>
  `binding ${keyOf(server)} ${which}`

function mainQuestion({ socket, mode }: MappingOptions, server: Endpoint): Question {
  return { name: main(server), socket, server, to: server, schedule: patientSchedule(mode) }
}

function nextQuestions(
  options: MappingOptions,
  question: Question,
  answers: Answers,
): readonly Question[] {
  const full = fullServer(options.servers, answers)
  if (full === undefined || question.name !== main(full.main)) return []
  return alternates.flatMap((which) => alternateQuestion(options, full, which))
}

function alternateQuestion(
  { socket, mode }: MappingOptions,
  full: Chosen,
  which: Alternate,
): readonly Question[] {
  const to = endpointsOf(full)[which]
  if (to === undefined) return []
  const name = alternate(full.main, which)
  return [{ name, socket, server: full.main, to, schedule: patientSchedule(mode) }]
}

/** Where a server's other endpoints are. With one port for both addresses, there is only one. */
function endpointsOf({
  main: server,
  other,
}: Pick<Chosen, 'main' | 'other'>): Partial<Readonly<Record<Alternate, Endpoint>>> {
  if (other.port === server.port) return { 'other-address': other }
  return {
    'other-address': { ...other, port: server.port },
    'other-address-and-port': other,
    'other-port': { ...server, port: other.port },
  }
}

// ---- What it comes to ------------------------------------------------------------------------------------------------

/** The first server to answer that names a credible other address. */
function fullServer(servers: readonly Endpoint[], answers: Answers): Chosen | undefined {
  const byName = new Map(servers.map((server) => [main(server), server]))
  for (const [name, answer] of answers) {
    const server = byName.get(name)
    if (server === undefined || answer.kind !== 'answered') continue
    const other = answer.otherAddress
    if (other !== undefined && isCredibleOther(server, other)) {
      return { main: server, other, rttMs: answer.rttMs }
    }
  }
  return undefined
}

function isFullyAsked(server: Endpoint, other: Endpoint, answers: Answers): boolean {
  const endpoints = endpointsOf({ main: server, other })
  return alternates.every(
    (which) => endpoints[which] === undefined || answers.has(alternate(server, which)),
  )
}

function mappingResult(options: MappingOptions, answers: Answers): MappingResult {
  const { servers, ownAddresses, socket } = options
  const observations = observationsOf(servers, answers)
  const isOwn = (mapped: Endpoint): boolean =>
    ownAddresses.includes(mapped.address) && mapped.port === socket.local.port
  const full = fullServer(servers, answers)
  return {
    mapping: judgeMapping(observations, { localPort: socket.local.port, isOwn, full: full?.main }),
    public: distinct(observations.map(({ mapped }) => mapped)),
    isNatted: observations.length === 0 ? undefined : !observations.every((o) => isOwn(o.mapped)),
    rewritesPayload: rewritesPayload(answers),
    answered: servers.flatMap((server) => serverAnswer(server, answers)),
    silent: servers.filter((server) => isSilent(answers.get(main(server)))),
    full: full === undefined ? undefined : completed(full, answers),
  }
}

function isSilent(answer: Answer | undefined): boolean {
  return answer !== undefined && answer.kind !== 'answered'
}

function completed(full: Chosen, answers: Answers): FullServer {
  const hasAnswered = (which: Alternate): boolean =>
    answerAt(answers, full.main, which) !== undefined
  return {
    ...full,
    answersAtOther:
      hasAnswered('other-address-and-port') ||
      (full.other.port === full.main.port && hasAnswered('other-address')),
    answersAtOtherPort: hasAnswered('other-port'),
  }
}

function observationsOf(servers: readonly Endpoint[], answers: Answers): readonly Observation[] {
  return servers.flatMap((server) => {
    const answer = answeredOf(answers, main(server))
    if (answer === undefined) return []
    const others = endpointsOf({ main: server, other: answer.otherAddress ?? server })
    return [
      { to: server, server, mapped: answer.mapped },
      ...alternates.flatMap((which) => {
        const [to, mapped] = [others[which], answerAt(answers, server, which)?.mapped]
        return to === undefined || mapped === undefined ? [] : [{ to, server, mapped }]
      }),
    ]
  })
}

function answerAt(answers: Answers, server: Endpoint, which: Alternate): Answered | undefined {
  return answeredOf(answers, alternate(server, which))
}

function answeredOf(answers: Answers, name: string): Answered | undefined {
  const answer = answers.get(name)
  return answer?.kind === 'answered' ? answer : undefined
}

function serverAnswer(server: Endpoint, answers: Answers): readonly ServerAnswer[] {
  const answer = answeredOf(answers, main(server))
  if (answer === undefined) return []
  const other = answer.otherAddress
  const hasAlternateAddress = other !== undefined && isCredibleOther(server, other)
  return [{ server, rttMs: answer.rttMs, hasAlternateAddress }]
}

function rewritesPayload(answers: Answers): boolean | undefined {
  let found: boolean | undefined
  for (const answer of answers.values()) {
    if (answer.kind !== 'answered' || answer.plainMapped === undefined) continue
    found = (found ?? false) || keyOf(answer.plainMapped) !== keyOf(answer.mapped)
  }
  return found
}

function distinct(endpoints: readonly Endpoint[]): readonly Endpoint[] {
  return [...new Map(endpoints.map((endpoint) => [keyOf(endpoint), endpoint])).values()]
}
