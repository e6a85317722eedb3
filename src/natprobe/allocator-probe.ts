/** Sixteen fresh sockets ask one server, one after another: which ports does the NAT give them? */
import type { Endpoint } from '../core/endpoint.ts'
import { fitAllocation, type FittedAllocation, type PortSample } from './port-allocation.ts'
import type { Answers, ProbeSocket, Question } from './question.ts'
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
    samples,
    allocation: fitAllocation(samples),
    mapped: mapped.map((sample) => sample.mapped),
  }
}
