/**
 * How long a mapping lives without traffic (RFC 4787 §4.3, RFC 5780 §4.6). All idle times side by side, each on a socket
 * of its own:
 *
 *     idle T      ask ─► answered ─► 2.5 s ─► ask again ─► answered ─► T of silence ─► is it still there?
 *     unreplied T ask so that the answer goes to another socket ────► T of silence ─► is it still there?
 *     refreshed   ask ─► answered, then packets from outside alone, every 10 s, until they stop to arrive
 *
 * "Is it still there?" is asked by a second socket of ours, the caller: with RESPONSE-PORT it has the server send to the
 * idle one. What arrives proves that the mapping lived; and nothing was sent outwards that would have made a new one.
 * A server that answers later when it is asked to (DELAY, for those who are logged in there) needs no caller: the idle
 * socket itself asks for an answer after T, the unreplied one asks to be left alone until then, and the refreshed one
 * asks for one every 10 s. That works behind NATs with several public addresses too.
 * Then, or where the server knows no RESPONSE-PORT, the idle socket itself asks: another public port proves that the
 * mapping was gone. The same port proves nothing where the NAT keeps ports. `lifetime-judgement.ts` judges.
 *
 * Who wants to know of idle times alone leaves out the sockets of the other two.
 *
 * The second question after 2.5 s is for Linux, which keeps a flow for 30 s that was answered once, and for 120 s one
 * that is still in use after 2 s (nf_conntrack_proto_udp.c): it is the second kind that a conversation has.
 */
import type { Endpoint } from '../core/endpoint.ts'
import type { Delay } from '../stun/own-attributes.ts'
import type { Judgement } from './finding.ts'
import {
  isLifetimeSettled,
  answersLater,
  judgeLifetime,
  LATER,
  type Lifetime,
  REFRESH_MS,
  refreshName,
  stepName,
  type Trial,
} from './lifetime-judgement.ts'
import type { Answers, ProbeSocket, Question } from './question.ts'
import type { ProbeScript } from './stun-probe.ts'
import { negativeSchedule, patientSchedule } from './timing.ts'

export type LifetimeMode = 'off' | 'quick' | 'full'

/** In seconds. Real routers: 20 to 60 s the hasty ones, 120 and 180 Linux's of different ages, 300 RFC 4787's wish. */
const BUCKETS: Readonly<Record<LifetimeMode, readonly number[]>> = {
  off: [],
  quick: [15, 20, 30, 45, 60],
  full: [15, 20, 30, 45, 60, 90, 120, 180, 300],
}

export function bucketsOf(mode: LifetimeMode): readonly number[] {
  return BUCKETS[mode]
}

export interface LifetimeSockets {
  /** Asks for the others. */
  readonly caller: ProbeSocket
  /** Takes the answers to those that must not get any. */
  readonly listener: ProbeSocket
  readonly refreshed: ProbeSocket | undefined
  /** One of each for every bucket. */
  readonly buckets: readonly {
    readonly seconds: number
    readonly idle: ProbeSocket
    readonly unreplied: ProbeSocket | undefined
  }[]
}

export interface LifetimeOptions {
  readonly sockets: LifetimeSockets
  readonly server: Endpoint
  readonly rttMs: number
}

const STREAM_AFTER_MS = 2500

type Bucket = LifetimeSockets['buckets'][number]

export function lifetimeScript(options: LifetimeOptions): ProbeScript<Judgement<Lifetime>> {
  const { sockets } = options
  const seconds = sockets.buckets.map((bucket) => bucket.seconds)
  const localPorts = new Map(
    sockets.buckets.map((bucket) => [bucket.seconds, bucket.idle.local.port]),
  )
  return {
    first: [
      later(options, LATER, sockets.caller, { seconds: 1, isSilent: false }),
      plain(options, 'caller', sockets.caller),
      plain(options, 'listener', sockets.listener),
    ],
    next: (asked, answers) => nextQuestions(options, asked.name, answers),
    conclude: (answers, isComplete) =>
      isComplete || isLifetimeSettled(seconds, answers)
        ? judgeLifetime(seconds, answers, localPorts)
        : undefined,
  }
}

function nextQuestions(
  options: LifetimeOptions,
  name: string,
  answers: Answers,
): readonly Question[] {
  if (name === 'caller' || name === 'listener' || name === LATER) {
    return afterIntroduction(options, answers)
  }
  if (name === 'calibration') return bucketQuestions(options, answers)
  if (name.startsWith('refresh')) return refreshQuestions(options, name, answers)
  return options.sockets.buckets.flatMap((bucket) => [
    ...afterStep(options, bucket, 'idle', name, answers),
    ...afterStep(options, bucket, 'unreplied', name, answers),
  ])
}

/** Does RESPONSE-PORT work here? Towards a mapping that has just been made, its answer must arrive. */
function afterIntroduction(options: LifetimeOptions, answers: Answers): readonly Question[] {
  const [caller, listener] = [answers.get('caller'), answers.get('listener')]
  if (caller === undefined || listener === undefined || !answers.has(LATER)) return []
  if (answersLater(answers)) return bucketQuestions(options, answers)
  if (caller.kind !== 'answered' && listener.kind !== 'answered') return []
  const { sockets } = options
  const isPossible =
    caller.kind === 'answered' &&
    listener.kind === 'answered' &&
    caller.mapped.address === listener.mapped.address
  if (!isPossible) return bucketQuestions(options, answers)
  return [called(options, 'calibration', sockets.listener, listener.mapped.port)]
}

function bucketQuestions(options: LifetimeOptions, answers: Answers): readonly Question[] {
  const { buckets, refreshed, listener } = options.sockets
  const idle = buckets.map(({ seconds, idle: socket }) =>
    plain(options, stepName('idle', seconds, 'open'), socket),
  )
  const heard = answers.get('listener')
  if (!canCall(answers) || heard?.kind !== 'answered') return idle
  const respondTo = { port: heard.mapped.port, socket: listener }
  const unreplied = buckets.flatMap(({ seconds, unreplied: socket }) => {
    if (socket === undefined) return []
    const use = { ...plain(options, stepName('unreplied', seconds, 'use'), socket), respondTo }
    if (!answersLater(answers)) return [use]
    const check = stepName('unreplied', seconds, 'check')
    return [use, later(options, check, socket, { seconds, isSilent: true })]
  })
  const kept = refreshed === undefined ? [] : [plain(options, 'refreshed, open', refreshed)]
  return [...idle, ...kept, ...unreplied]
}

function afterStep(
  options: LifetimeOptions,
  bucket: Bucket,
  trial: Trial,
  name: string,
  answers: Answers,
): readonly Question[] {
  const { seconds } = bucket
  const socket = bucket[trial]
  if (socket === undefined) return []
  const ask = (step: 'use' | 'fresh', delayMs: number): readonly Question[] => {
    return [{ ...plain(options, stepName(trial, seconds, step), socket), delayMs }]
  }
  const answer = answers.get(name)
  switch (name) {
    case stepName(trial, seconds, 'open'):
      return answer?.kind === 'answered' ? ask('use', STREAM_AFTER_MS) : []
    case stepName(trial, seconds, 'use'): {
      if (answer?.kind !== 'answered') return []
      if (answersLater(answers)) {
        const check = stepName(trial, seconds, 'check')
        return trial === 'idle' ? [later(options, check, socket, { seconds, isSilent: false })] : []
      }
      const delayMs = seconds * 1000
      if (!canCall(answers)) return ask('fresh', delayMs)
      const check = stepName(trial, seconds, 'check')
      return [{ ...called(options, check, socket, answer.mapped.port), delayMs }]
    }
    case stepName(trial, seconds, 'check'):
      return answer?.kind === 'answered' ? [] : ask('fresh', 0)
    default:
      return []
  }
}

function refreshQuestions(
  options: LifetimeOptions,
  name: string,
  answers: Answers,
): readonly Question[] {
  const { refreshed } = options.sockets
  const answer = answers.get(name)
  if (refreshed === undefined || answer?.kind !== 'answered') return []
  if (name === 'refreshed, open') {
    return [{ ...plain(options, 'refreshed, use', refreshed), delayMs: STREAM_AFTER_MS }]
  }
  const used = answers.get('refreshed, use')
  if (used?.kind !== 'answered') return []
  if (answersLater(answers)) {
    return name === 'refreshed, use' ? laterRefreshes(options, refreshed) : []
  }
  let count = 1
  while (answers.has(refreshName(count))) count += 1
  const next = called(options, refreshName(count), refreshed, used.mapped.port)
  return [{ ...next, delayMs: REFRESH_MS }]
}

/** Until one of them comes after the longest idle time. */
function laterRefreshes(options: LifetimeOptions, refreshed: ProbeSocket): readonly Question[] {
  const { buckets } = options.sockets
  const longestMs = (buckets.at(-1)?.seconds ?? 0) * 1000
  const count = Math.ceil(longestMs / REFRESH_MS) + 1
  return Array.from({ length: count }, (_, index) => {
    const seconds = ((index + 1) * REFRESH_MS) / 1000
    return later(options, refreshName(index + 1), refreshed, { seconds, isSilent: false })
  })
}

function canCall(answers: Answers): boolean {
  if (answersLater(answers)) return true
  return answers.get('calibration')?.kind === 'answered'
}

function plain({ server }: LifetimeOptions, name: string, socket: ProbeSocket): Question {
  return { name, socket, server, to: server, schedule: patientSchedule('full') }
}

/**
 * Repeated for one second, until it is promised: so the idle time begins then at the latest, and the last copy of the
 * answer comes 1.5 s and a round trip after the time that was asked for. `later()` waits for 2.5 s at least.
 */
const REPEAT_LATER_MS = [0, 250, 500, 1000] as const

/** The socket asks the server to send to it when it has been idle for so long. */
function later(
  { server, rttMs }: LifetimeOptions,
  name: string,
  socket: ProbeSocket,
  { seconds, isSilent }: Delay,
): Question {
  const asked = { seconds: seconds + 1, isSilent }
  const giveUpAtMs = asked.seconds * 1000 + negativeSchedule('full', rttMs).giveUpAtMs
  const schedule = { sendAtMs: REPEAT_LATER_MS, giveUpAtMs }
  return { name, socket, server, to: server, schedule, later: asked }
}

/** The caller asks the server to send to that socket. */
function called(
  { server, sockets, rttMs }: LifetimeOptions,
  name: string,
  socket: ProbeSocket,
  port: number,
): Question {
  const schedule = negativeSchedule('full', rttMs)
  return { name, socket: sockets.caller, server, to: server, schedule, respondTo: { port, socket } }
}
