/**
 * What one side does in an attempt at a strategy: how many sockets it wants, and what leaves from them when. All of it
 * follows from the strategy, the two NATs and the two ports that the notes carry; nothing here has state.
 *
 *     open sockets ─► (ask STUN) ─► opening ─► our note ─► peer's note: meeting ─► peer has ours: probing
 *
 * Until the peer has our note everything towards a filtering NAT is an opener, which dies on the way: a probe that comes
 * before the other side has opened poisons some routers and gets us blocked by others (`opener.ts`).
 */
import type { Endpoint } from '../core/endpoint.ts'
import type { SocketId } from '../core/machine.ts'
import { type Random, shuffled } from '../core/random.ts'
import { isFixed, type NatSide, type PortGuess } from './nat-side.ts'
import type { ProbeRole } from './probe.ts'
import { portCount, type Strategy } from './strategy.ts'
import type { Shot, VolleyPlan } from './volley.ts'

export interface Pair {
  readonly role: ProbeRole
  readonly own: NatSide
  readonly peer: NatSide
  /** The peer's address as the server attested it, with the port that STUN saw. */
  readonly peerEndpoint: Endpoint
  readonly random: Random
}

export interface Moves {
  readonly socketCount: number
  /** Further sockets, for `table-watch.ts`. */
  readonly watchCount: number
  /** Socket 0 asks STUN: our note tells its port. Else it tells the local port of socket 0 where that means anything. */
  readonly tells: 'nothing' | 'stun-port' | 'local-port'
  /** When the sockets are open. */
  readonly opening: (sockets: readonly SocketId[]) => readonly VolleyPlan[]
  /** When the peer's note is here. */
  readonly meeting: Reaction
  /** When the peer has our note, too. */
  readonly probing: Reaction
  /** From then on there is nothing left to wait for but answers. */
  readonly durationMs: number
}

type Reaction = (
  sockets: readonly SocketId[],
  peerPort: number | undefined,
) => readonly VolleyPlan[]

/** So many probes an attempt at most; the block spray has a budget of its own. */
export const MOST_PROBES = 1024
export const MOST_BLOCK_PROBES = 4096

/** A check in 400 ms, for the 5 s that a birthday attempt takes. */
const WATCH_SOCKETS = 12

/** A birthday attempt may open 256 sockets in all: with 1,024 probes that makes 98 % in the whole range of ports. */
const MOST_SOCKETS = 256 - WATCH_SOCKETS

/** A quarter of them does where the range is no larger than this. */
const SMALL_RANGE_PORTS = 16_384
const FEW_SOCKETS = 64

/** In a block of this host's own: a carrier counts the flows of a subscriber, and the block is small. */
const BLOCK_SOCKETS = 16

/** One packet in 4 ms is what a home router takes beside everything else (`probe-schedule.ts`). */
const SPRAY_PACE_MS = 4
/** Small packets into our own NAT, which die soon after it. */
const OPENER_PACE_MS = 0.5
const PREDICTION_PACE_MS = 5
const BLOCK_PACE_MS = 2
const BLOCK_SOCKETS_A_SIDE = 2
const BLOCK_PASSES = 2

/** Steps before and after the port that a sample suggests, the likeliest first; the larger part for other hosts' flows. */
const PREDICTED_STEPS = [1, 2, 3, 0, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, -1, -2] as const

/** A second pass for what was lost. */
const PREDICTION_PASSES_AT_MS = [0, 150, 450] as const

/** Both predict: so many sockets a side, and the port of the one in the middle is aimed at. */
const BOTH_SOCKETS = 20
/** More to the later ones: other hosts' flows only ever push ports on. */
const BOTH_AIM = 13

/** The ladder of a socket whose counterpart is known. */
const LADDER_MS = [0, 60, 160, 360, 760] as const

/** With two openers these are the five packets that a stranger's address may get: nobody has been heard from there yet. */
const SHORT_LADDER_MS = [0, 160, 760] as const

/** How many ports a sequential prober may be at when the openers are aimed at it. */
const AIMED_STEPS = [1, 2, 3, 4] as const

const SETTLE_MS = 600

export function movesOf(strategy: Strategy, pair: Pair): Moves {
  switch (strategy.kind) {
    case 'punch':
    case 'fresh-sockets':
      return freshSockets(pair)
    case 'predict':
      return strategy.active === pair.role ? predicting(pair) : predicted(pair)
    case 'predict-both':
      return predictingBoth(pair)
    case 'birthday':
      return strategy.active === pair.role ? spraying(pair) : openingMany(pair)
    case 'block-spray':
      return sprayingBlock(pair)
  }
}

/** How many sockets an attempt of this kind may have open. */
export function isBirthday({ kind }: Strategy): boolean {
  return kind === 'birthday' || kind === 'block-spray'
}

export function probeLimit({ kind }: Strategy): number {
  return kind === 'block-spray' ? MOST_BLOCK_PROBES : MOST_PROBES
}

const nothing = (): readonly VolleyPlan[] => []

function freshSockets({ peerEndpoint }: Pair): Moves {
  const towards = (port: number | undefined): Endpoint => ({
    ...peerEndpoint,
    port: port ?? peerEndpoint.port,
  })
  return {
    socketCount: 1,
    watchCount: 0,
    tells: 'stun-port',
    opening: nothing,
    meeting: ([socket], port) => [
      {
        delayMs: 0,
        paceMs: 10,
        shots: repeated(2, { via: socket, to: towards(port), isOpener: true }),
      },
    ],
    probing: ([socket], port) => ladder(0, [{ via: socket, to: towards(port) }], SHORT_LADDER_MS),
    durationMs: 1000 + SETTLE_MS,
  }
}

/** The fixed side: probes from its primary socket around the port that the peer was last given. */
function predicting({ peer, peerEndpoint }: Pair): Moves {
  const shots = (port: number | undefined): readonly Shot[] =>
    port === undefined
      ? []
      : predictedPorts(peer.ports, port).map((guess) => ({
          via: undefined,
          to: { ...peerEndpoint, port: guess },
        }))
  return {
    socketCount: 0,
    watchCount: 0,
    tells: 'nothing',
    opening: nothing,
    meeting: (_, port) =>
      PREDICTION_PASSES_AT_MS.map((delayMs) => ({
        delayMs,
        paceMs: PREDICTION_PACE_MS,
        shots: shots(port),
      })),
    probing: nothing,
    durationMs: 450 + PREDICTED_STEPS.length * PREDICTION_PACE_MS + SETTLE_MS,
  }
}

/**
 * The side whose next port is predicted: asks STUN and opens towards the peer in the same moment, so that hardly any
 * other flow takes a port in between. Its own probes wait until the peer has been through all guesses.
 */
function predicted({ own, peerEndpoint }: Pair): Moves {
  return {
    socketCount: 1,
    watchCount: 0,
    tells: own.ports.kind === 'local' ? 'local-port' : 'stun-port',
    opening: ([socket]) => [
      {
        delayMs: 0,
        paceMs: 10,
        shots: repeated(2, { via: socket, to: peerEndpoint, isOpener: true }),
      },
    ],
    meeting: nothing,
    probing: ([socket]) => ladder(250, [{ via: socket, to: peerEndpoint }]),
    durationMs: 450 + PREDICTED_STEPS.length * PREDICTION_PACE_MS + SETTLE_MS,
  }
}

/**
 * Both sides open twenty sockets towards one port of the other: the one that the middle of the other's twenty will have.
 * Each needs its own twenty ports to contain the one that the other aims at; where exactly does not matter.
 */
function predictingBoth({ own, peer, peerEndpoint }: Pair): Moves {
  const isLocal = own.ports.kind === 'local'
  const aim = (port: number): Endpoint => ({
    ...peerEndpoint,
    port: peer.ports.kind === 'next' ? stepped(port, BOTH_AIM * peer.ports.step) : port,
  })
  const fromAll = (
    sockets: readonly SocketId[],
    port: number,
    isOpener: boolean,
  ): readonly Shot[] =>
    (isLocal ? sockets : sockets.slice(1)).map((via) => ({ via, to: aim(port), isOpener }))
  return {
    // The first one only asks STUN, or is the only one whose port is told.
    socketCount: isLocal ? 1 : 1 + BOTH_SOCKETS,
    watchCount: 0,
    tells: isLocal ? 'local-port' : 'stun-port',
    opening: nothing,
    meeting: (sockets, port) =>
      port === undefined
        ? []
        : [{ delayMs: 0, paceMs: OPENER_PACE_MS, shots: fromAll(sockets, port, true) }],
    probing: (sockets, port) =>
      port === undefined ? [] : ladder(30, fromAll(sockets, port, false)),
    durationMs: 800 + SETTLE_MS,
  }
}

function openingMany({ own, peer, peerEndpoint }: Pair): Moves {
  const socketCount = socketsFor(own.ports)
  const isExact = isFixed(peer)
  const isAimed = !isExact && peer.mapping === 'address-dependent' && peer.ports.kind !== 'range'
  const openers = (sockets: readonly SocketId[], ports: readonly number[]): readonly Shot[] =>
    ports.flatMap((port) =>
      sockets.map((via) => ({ via, to: { ...peerEndpoint, port }, isOpener: true })),
    )
  const plan = (shots: readonly Shot[]): readonly VolleyPlan[] => [
    { delayMs: 0, paceMs: OPENER_PACE_MS, shots },
  ]
  const sprayMs = sprayCount(own.ports) * SPRAY_PACE_MS
  return {
    socketCount,
    watchCount: WATCH_SOCKETS,
    tells: 'nothing',
    opening: (sockets) => (isAimed ? [] : plan(openers(sockets, [peerEndpoint.port]))),
    meeting: (sockets, port) =>
      isAimed && port !== undefined ? plan(openers(sockets, aimedPorts(peer.ports, port))) : [],
    // What was lost on its way from the peer's NAT to ours has left a hole there: our own probes find it.
    probing: (sockets) =>
      isExact
        ? [
            {
              delayMs: sprayMs + 100,
              paceMs: 1,
              shots: sockets.map((via) => ({ via, to: peerEndpoint })),
            },
          ]
        : [],
    durationMs: sprayMs + 100 + socketCount + SETTLE_MS,
  }
}

/** From one socket, since each further one would want openers of its own. */
function spraying({ own, peer, peerEndpoint, random }: Pair): Moves {
  const isPredicted =
    !isFixed(own) && own.mapping === 'address-dependent' && own.ports.kind !== 'range'
  const count = sprayCount(peer.ports)
  const plan = (via: SocketId | undefined): readonly VolleyPlan[] => [
    {
      delayMs: 0,
      paceMs: SPRAY_PACE_MS,
      shots: shuffled(random, portsOf(peer.ports))
        .slice(0, count)
        .map((port) => ({ via, to: { ...peerEndpoint, port } })),
    },
  ]
  return {
    socketCount: isPredicted ? 1 : 0,
    watchCount: WATCH_SOCKETS,
    tells: !isPredicted ? 'nothing' : own.ports.kind === 'local' ? 'local-port' : 'stun-port',
    // The mapping towards the peer's address is made right after the sample that tells where it is.
    opening: ([socket]) =>
      isPredicted
        ? [{ delayMs: 0, paceMs: 10, shots: [{ via: socket, to: peerEndpoint, isOpener: true }] }]
        : [],
    meeting: () => (isPredicted ? [] : plan(undefined)),
    probing: ([socket]) => (isPredicted ? plan(socket) : []),
    durationMs: count * SPRAY_PACE_MS + 100 + MOST_SOCKETS + SETTLE_MS,
  }
}

/** The first pass are openers, so that nobody's probe comes to a closed door. */
function sprayingBlock({ peer, peerEndpoint, random }: Pair): Moves {
  const ports = portsOf(peer.ports)
  const pass = (sockets: readonly SocketId[], isOpener: boolean): readonly Shot[] => {
    const shots = ports.flatMap((port) =>
      sockets.map((via) => ({ via, to: { ...peerEndpoint, port }, isOpener })),
    )
    return shuffled(random, shots)
  }
  const passMs = ports.length * BLOCK_SOCKETS_A_SIDE * BLOCK_PACE_MS
  return {
    socketCount: BLOCK_SOCKETS_A_SIDE,
    watchCount: WATCH_SOCKETS,
    tells: 'nothing',
    opening: (sockets) => [{ delayMs: 0, paceMs: BLOCK_PACE_MS, shots: pass(sockets, true) }],
    meeting: nothing,
    probing: (sockets) => [{ delayMs: passMs, paceMs: BLOCK_PACE_MS, shots: pass(sockets, false) }],
    durationMs: BLOCK_PASSES * passMs + SETTLE_MS,
  }
}

function socketsFor(ports: PortGuess): number {
  if (ports.kind === 'range' && ports.isOwn) return BLOCK_SOCKETS
  return portCount(ports) <= SMALL_RANGE_PORTS ? FEW_SOCKETS : MOST_SOCKETS
}

function sprayCount(ports: PortGuess): number {
  return Math.min(MOST_PROBES, portCount(ports))
}

function portsOf(ports: PortGuess): readonly number[] {
  if (ports.kind !== 'range') return []
  return Array.from({ length: portCount(ports) }, (_, index) => ports.low + index)
}

function predictedPorts(ports: PortGuess, sample: number): readonly number[] {
  switch (ports.kind) {
    case 'local':
      return [0, 1, 2, 3].map((steps) => stepped(sample, steps)) // taken ports are passed over
    case 'next':
      return PREDICTED_STEPS.map((steps) => stepped(sample, steps * ports.step))
    case 'range':
      return []
  }
}

function aimedPorts(ports: PortGuess, sample: number): readonly number[] {
  return ports.kind === 'next'
    ? AIMED_STEPS.map((steps) => stepped(sample, steps * ports.step))
    : [sample]
}

const LOWEST = 1024
const HIGHEST = 65_535

/** NATs count on from the other end; which one that is, is a guess. */
function stepped(port: number, by: number): number {
  const next = port + by
  if (next > HIGHEST) return next - HIGHEST - 1 + LOWEST
  return next < LOWEST ? next + HIGHEST + 1 - LOWEST : next
}

function repeated(times: number, shot: Shot): readonly Shot[] {
  return Array.from({ length: times }, () => shot)
}

function ladder(
  delayMs: number,
  shots: readonly Shot[],
  offsetsMs: readonly number[] = LADDER_MS,
): readonly VolleyPlan[] {
  return offsetsMs.map((offset) => ({ delayMs: delayMs + offset, paceMs: 1, shots }))
}
