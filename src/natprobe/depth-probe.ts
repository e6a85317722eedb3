/**
 * How many hops away is the outermost NAT that filters? One means: the router here, and no carrier's behind it.
 *
 * A fresh socket sends to the server's other address with a short time-to-live: the packet opens the filters of the routers
 * that it passes and dies behind them, and a router makes no hole for a packet that dies in it. Then the server is asked to
 * answer from there. The shortest time-to-live with which that answer arrives has passed every filter. It is looked for
 * from below; before a deeper one is believed, the one below it must have been silent on a second fresh socket.
 */
import { judged, type Judgement, unknown } from './finding.ts'
import type { FullServer } from './mapping-probe.ts'
import type { Answers, ProbeSocket, Question } from './question.ts'
import type { ProbeScript } from './stun-probe.ts'
import { negativeSchedule } from './timing.ts'

/** A NAT at hop `n` is passed with a time-to-live of `n + 1`. Carriers have theirs within a few hops. */
const FIRST_TTL = 2
const LAST_TTL = 6

/** One of each, and one to look again. */
export const DEPTH_SOCKETS = LAST_TTL - FIRST_TTL + 2

/** They die on the way, as a rule: nothing is waited for but that they have passed. */
const OPENER = { sendAtMs: [0, 100, 200], giveUpAtMs: 300 } as const

export interface DepthOptions {
  /** `DEPTH_SOCKETS` fresh ones; with fewer, less deep is looked. */
  readonly sockets: readonly ProbeSocket[]
  readonly server: FullServer
}

type Pass = 'look' | 'look again'

const named = (pass: Pass, ttl: number, step: 'open' | 'call'): string =>
  `depth, ${pass}, ttl ${ttl}, ${step}`

const ttls = Array.from({ length: LAST_TTL - FIRST_TTL + 1 }, (_, index) => FIRST_TTL + index)

export function depthScript(options: DepthOptions): ProbeScript<Judgement<number | 'unknown'>> {
  return {
    first: opener(options, 'look', FIRST_TTL),
    next: (asked, answers) => nextQuestions(options, asked, answers),
    conclude: (answers, isComplete) => (isComplete ? judgeDepth(answers) : undefined),
  }
}

function nextQuestions(
  options: DepthOptions,
  asked: Question,
  answers: Answers,
): readonly Question[] {
  for (const ttl of ttls) {
    for (const pass of ['look', 'look again'] as const) {
      if (asked.name === named(pass, ttl, 'open')) return caller(options, asked.socket, pass, ttl)
    }
    if (asked.name !== named('look', ttl, 'call')) continue
    const kind = answers.get(asked.name)?.kind
    if (kind === 'silent' && ttl < LAST_TTL) return opener(options, 'look', ttl + 1)
    if (kind === 'answered' && ttl > FIRST_TTL) return opener(options, 'look again', ttl - 1)
  }
  return []
}

function opener({ sockets, server }: DepthOptions, pass: Pass, ttl: number): readonly Question[] {
  const socket = pass === 'look' ? sockets[ttl - FIRST_TTL] : sockets[DEPTH_SOCKETS - 1]
  if (socket === undefined) return []
  const name = named(pass, ttl, 'open')
  return [{ name, socket, server: server.main, to: server.other, ttl, schedule: OPENER }]
}

function caller(
  { server }: DepthOptions,
  socket: ProbeSocket,
  pass: Pass,
  ttl: number,
): readonly Question[] {
  const { main, other, rttMs } = server
  return [
    {
      name: named(pass, ttl, 'call'),
      socket,
      server: main,
      to: main,
      schedule: negativeSchedule('full', rttMs),
      change: { address: true, port: true, expectedFrom: other },
    },
  ]
}

function judgeDepth(answers: Answers): Judgement<number | 'unknown'> {
  const isHeard = (pass: Pass, ttl: number): boolean =>
    answers.get(named(pass, ttl, 'call'))?.kind === 'answered'
  const passing = ttls.find((ttl) => isHeard('look', ttl))
  if (passing === undefined) return unknown('no packet of a short time-to-live opened the way')
  if (passing === FIRST_TTL) return judged(1, 0.95)
  if (isHeard('look again', passing - 1)) return unknown('too much was lost')
  const isSilent = answers.get(named('look again', passing - 1, 'call'))?.kind === 'silent'
  return isSilent ? judged(passing - 1, 0.95) : unknown('too much was lost')
}
