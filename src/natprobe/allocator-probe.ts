/** Sixteen fresh sockets ask one server, one after another: which ports does the NAT give them? */
import type { Endpoint } from '../core/endpoint.ts'
import { fitAllocation, type FittedAllocation, type PortSample } from './port-allocation.ts'
import type { Answer, Answers, ProbeSocket, Question } from './question.ts'
import type { ProbeScript } from './stun-probe.ts'
import { type Mode, patientSchedule } from './timing.ts'

/** Enough to tell parity from chance (2⁻¹⁶) and a block of 512 from one of 4096. */
export const ALLOCATOR_SOCKETS = 16

export interface AllocatorOptions {
  /** In the order in which they are to be used. */
  readonly sockets: readonly ProbeSocket[]
  readonly server: Endpoint
  readonly mode: Mode
}

export interface AllocatorResult {
  readonly allocation: FittedAllocation
  readonly samples: readonly PortSample[]
  /** Each socket's public address, for pooling. */
  readonly mapped: readonly Endpoint[]
  /** What became of each question's first transmission: a round trip, or `undefined` for a loss. */
  readonly firstTries: readonly (number | undefined)[]
}

export function allocatorScript({
  sockets,
  server,
  mode,
}: AllocatorOptions): ProbeScript<AllocatorResult> {
  const first = sockets.map((socket, index): Question => ({
    name: `allocation ${index + 1}`,
    socket,
    server,
    to: server,
    schedule: patientSchedule(mode),
  }))
  return {
    first,
    next: () => [],
    conclude: (answers, isComplete) => (isComplete ? allocatorResult(first, answers) : undefined),
  }
}

function allocatorResult(questions: readonly Question[], answers: Answers): AllocatorResult {
  const mapped = questions.flatMap(({ name, socket }) => {
    const answer = answers.get(name)
    return answer?.kind === 'answered' ? [{ local: socket.local.port, mapped: answer.mapped }] : []
  })
  const samples = mapped.map((sample) => ({ local: sample.local, mapped: sample.mapped.port }))
  return {
    firstTries: questions.map(({ name }) => firstTry(answers.get(name))),
    samples,
    allocation: fitAllocation(samples),
    mapped: mapped.map((sample) => sample.mapped),
  }
}

/** Only what was sent once says how long its answer took, and that nothing was lost (Karn's rule, RFC 6298 §3). */
function firstTry(answer: Answer | undefined): number | undefined {
  return answer?.kind === 'answered' && answer.sends === 1 ? answer.rttMs : undefined
}
