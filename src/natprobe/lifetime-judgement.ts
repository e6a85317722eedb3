/** What the answers of the lifetime test say. Pure: names in, judgement out. `lifetime-probe.ts` tells what is asked. */
import { sameEndpoint } from '../core/endpoint.ts'
import { judged, type Judgement } from './finding.ts'
import type { Answer, Answers } from './question.ts'

export const refreshers = ['outbound', 'both', 'unknown'] as const

export interface Lifetime {
  /** Idle for so long, a mapping that had seen replies was still there; 0: not even for the shortest time. */
  readonly atLeastMs: number | null
  /** After so long it was gone, the time of the proof included. */
  readonly atMostMs: number | null
  /** As `atLeastMs`, for a mapping that never saw a reply. */
  readonly unrepliedMs: number | null
  /** Whose packets keep it: those from inside alone, or those from outside as well. */
  readonly refreshedBy: (typeof refreshers)[number]
}

export type Trial = 'idle' | 'unreplied'
type Step = 'open' | 'use' | 'check' | 'fresh'

/** Shorter than the shortest idle time, so that this is what keeps a mapping. */
export const REFRESH_MS = 10_000

/** Between the end of the idle time and the proof that the mapping is gone: five calls, a question, and the pacer. */
const PROOF_MS = 6000

export function stepName(trial: Trial, seconds: number, step: Step): string {
  return `${trial} for ${seconds} s, ${step}`
}

/** Whether the server answers later when it is asked to. */
export const LATER = 'later'

export function answersLater(answers: Answers): boolean {
  const answer = answers.get(LATER)
  return answer?.kind === 'answered' && answer.isLate === true
}

export function refreshName(count: number): string {
  return `refresh ${count}`
}

type Fate =
  /** It was called, and heard it. */
  | 'alive'
  /** Not called, but it has the same port still, where the NAT does not keep ports. */
  | 'same-port'
  | 'expired'
  /** It was called in vain and has the same port: gone and made anew, or nothing but loss. */
  | 'silent'
  | 'unknown'

interface Found {
  readonly seconds: number
  readonly fate: Fate
}

export function judgeLifetime(
  seconds: readonly number[],
  answers: Answers,
  localPorts: ReadonlyMap<number, number>,
): Judgement<Lifetime> {
  const keepsPorts = seconds.some((bucket) => {
    const before = answers.get(stepName('idle', bucket, 'use'))
    return before?.kind === 'answered' && before.mapped.port === localPorts.get(bucket)
  })
  const fates = (trial: Trial): readonly Found[] =>
    seconds.map((bucket) => ({
      seconds: bucket,
      fate: fateOf(trial, bucket, answers, keepsPorts),
    }))
  const idle = fates('idle')
  const { atLeastMs, atMostMs, isBySilence } = bounds(idle)
  const unrepliedMs = bounds(fates('unreplied')).atLeastMs
  const refreshedBy = judgeRefresh(answers, atLeastMs, atMostMs)
  const value = { atLeastMs, atMostMs, unrepliedMs, refreshedBy }
  if (atLeastMs === null) return judged(value, 0, reason(idle, answers))
  const isCalled = idle.some(({ fate }) => fate === 'alive')
  return judged(value, isBySilence || !isCalled ? 0.9 : 0.99)
}

/** Whether nothing that is still asked can tell more: all idle times are over, and the refreshed one is. */
export function isLifetimeSettled(seconds: readonly number[], answers: Answers): boolean {
  if (!answers.has('calibration') && !answersLater(answers)) return false
  const canCall = answersLater(answers) || answers.get('calibration')?.kind === 'answered'
  const trials = canCall ? bothTrials : idleAlone
  const areOver = trials.every((trial) => seconds.every((one) => isOver(trial, one, answers)))
  if (!areOver) return false
  const { atLeastMs, atMostMs } = bounds(
    // That ports are kept only makes less of this certain.
    seconds.map((one) => ({ seconds: one, fate: fateOf('idle', one, answers, true) })),
  )
  return atMostMs === null || judgeRefresh(answers, atLeastMs, atMostMs) !== 'unknown'
}

const bothTrials = ['idle', 'unreplied'] as const
const idleAlone = ['idle'] as const

function isOver(trial: Trial, seconds: number, answers: Answers): boolean {
  const step = (name: Step): Answer | undefined => answers.get(stepName(trial, seconds, name))
  const isLost = [step('open'), step('use')].some(
    (answer) => answer !== undefined && answer.kind !== 'answered',
  )
  return isLost || step('check')?.kind === 'answered' || step('fresh') !== undefined
}

function fateOf(trial: Trial, seconds: number, answers: Answers, keepsPorts: boolean): Fate {
  const before = answers.get(stepName(trial, seconds, 'use'))
  const check = answers.get(stepName(trial, seconds, 'check'))
  const fresh = answers.get(stepName(trial, seconds, 'fresh'))
  if (check?.kind === 'answered') return 'alive'
  if (before?.kind !== 'answered') return 'unknown'
  if (fresh?.kind !== 'answered') return 'unknown'
  if (!sameEndpoint(before.mapped, fresh.mapped)) return 'expired'
  if (check === undefined) return keepsPorts ? 'unknown' : 'same-port'
  if (check.kind !== 'silent') return 'unknown'
  // Without a promise the question itself may have been lost; to keep silent it was asked not to be given one.
  const isLost = answersLater(answers) && trial === 'idle' && check.isPromised !== true
  return isLost ? 'unknown' : 'silent'
}

interface Bounds {
  readonly atLeastMs: number | null
  readonly atMostMs: number | null
  readonly isBySilence: boolean
}

/**
 * Silence of one socket may be loss. Of two sockets that were idle for longer than every one that was heard, it is not:
 * the calls to all the others arrived.
 */
function bounds(found: readonly Found[]): Bounds {
  const isAlive = ({ fate }: Found): boolean => fate === 'alive' || fate === 'same-port'
  const expired = found.find(({ fate }) => fate === 'expired')
  const longest = found.filter(isAlive).at(-1)
  const silent = found.filter(({ seconds, fate }) => {
    return fate === 'silent' && seconds > (longest?.seconds ?? 0)
  })
  const silentAt = silent.length >= 2 ? silent[0]?.seconds : undefined
  const goneAt = least(expired?.seconds, silentAt)
  const alive = found.filter((one) => isAlive(one) && one.seconds < (goneAt ?? Infinity)).at(-1)
  if (goneAt === undefined) {
    return { atLeastMs: inMs(alive?.seconds), atMostMs: null, isBySilence: false }
  }
  return {
    atLeastMs: inMs(alive?.seconds ?? 0),
    atMostMs: goneAt * 1000 + PROOF_MS,
    isBySilence: goneAt !== expired?.seconds,
  }
}

/** Heard beyond the time after which an idle mapping is gone: packets from outside keep it. Dead by then: they do not. */
function judgeRefresh(
  answers: Answers,
  atLeastMs: number | null,
  atMostMs: number | null,
): Lifetime['refreshedBy'] {
  if (atLeastMs === null || atMostMs === null) return 'unknown'
  for (let count = 1; ; count++) {
    const answer = answers.get(refreshName(count))
    if (answer === undefined) return 'unknown'
    const ageMs = count * REFRESH_MS
    if (answer.kind === 'answered' && ageMs >= atMostMs) return 'both'
    if (answer.kind === 'silent') return ageMs >= atLeastMs ? 'outbound' : 'unknown'
    if (answer.kind === 'refused') return 'unknown'
  }
}

function reason(idle: readonly Found[], answers: Answers): string {
  if (answers.get('caller')?.kind !== 'answered') return 'the server did not answer'
  if (!answersLater(answers) && answers.get('calibration')?.kind !== 'answered') {
    return 'the NAT keeps ports, and the server does not answer to another port (RESPONSE-PORT)'
  }
  return idle.some(({ fate }) => fate === 'silent')
    ? 'not one of the idle sockets was reached, and each has its port still'
    : 'too much was lost'
}

function inMs(seconds: number | undefined): number | null {
  return seconds === undefined ? null : seconds * 1000
}

function least(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? (a ?? b) : Math.min(a, b)
}
