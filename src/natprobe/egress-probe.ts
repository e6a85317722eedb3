/**
 * Which UDP ports of a server can be reached (an office that lets only DNS and QUIC out; a hotel that lets nothing but
 * WireGuard's port through by mistake). Only a server that says where it listens can tell "blocked" from "nobody there",
 * so it is asked for its ports first (PORTS, `stun/own-attributes.ts`); of any other one only its own port is known.
 *
 * "Blocked" counts when five questions on each of two sockets got no answer, and the server's main port answered after.
 */
import type { Endpoint } from '../core/endpoint.ts'
import type { Answers, ProbeSocket, Question } from './question.ts'
import type { ProbeScript } from './stun-probe.ts'
import { type Mode, negativeSchedule, patientSchedule } from './timing.ts'

export interface EgressOptions {
  readonly sockets: readonly [ProbeSocket, ProbeSocket]
  readonly server: Endpoint
  readonly rttMs: number
  readonly mode: Mode
}

export interface UdpEgress {
  readonly port: number
  readonly isOpen: boolean | 'unknown'
}

/** What a server of ours may listen on besides its main port; more would crowd out the other tests. */
const MAX_TESTED_PORTS = 8

export function egressScript(options: EgressOptions): ProbeScript<readonly UdpEgress[]> {
  const { sockets, server, mode } = options
  const plain = { socket: sockets[0], server, to: server, schedule: patientSchedule(mode) }
  return {
    first: [{ ...plain, name: 'ports', wantsPorts: true }],
    next({ name }, answers) {
      if (name === 'ports') return portQuestions(options, answers)
      const ports = portsOf(server, answers)
      const isTested = ports.every((port) => isAnswered(port, answers) ?? true)
      const areAsked = ports.every((port) => asked(port).every((one) => answers.has(one)))
      return !isTested && areAsked && name !== 'after' ? [{ ...plain, name: 'after' }] : []
    },
    conclude: (answers, isComplete) => (isComplete ? judged(server, answers) : undefined),
  }
}

function portQuestions(
  { sockets, server, rttMs, mode }: EgressOptions,
  answers: Answers,
): readonly Question[] {
  return portsOf(server, answers).flatMap((port) =>
    asked(port).map((name, index): Question => {
      const socket = sockets[index === 0 ? 0 : 1]
      const schedule = negativeSchedule(mode, rttMs)
      return { name, socket, server, to: { ...server, port }, schedule }
    }),
  )
}

function judged(server: Endpoint, answers: Answers): readonly UdpEgress[] {
  if (answers.get('ports')?.kind !== 'answered') return []
  const isControlled = answers.get('after')?.kind === 'answered'
  const others = portsOf(server, answers).map((port): UdpEgress => {
    const isOpen = isAnswered(port, answers) ?? false
    return { port, isOpen: isOpen || (isControlled ? false : 'unknown') }
  })
  return [{ port: server.port, isOpen: true } as const, ...others].sort((a, b) => a.port - b.port)
}

/** Those that the server named, without its main one. */
function portsOf(server: Endpoint, answers: Answers): readonly number[] {
  const answer = answers.get('ports')
  const named = answer?.kind === 'answered' ? (answer.ports ?? []) : []
  return named.filter((port) => port !== server.port).slice(0, MAX_TESTED_PORTS)
}

/** `undefined` while nobody was asked to the end. */
function isAnswered(port: number, answers: Answers): boolean | undefined {
  const found = asked(port).map((name) => answers.get(name)?.kind)
  if (found.includes('answered')) return true
  return found.every((kind) => kind === undefined) ? undefined : false
}

function asked(port: number): readonly string[] {
  return [`port ${port}`, `port ${port} again`]
}
