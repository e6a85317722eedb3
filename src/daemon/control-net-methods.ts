import { formatEndpoint } from '../core/endpoint.ts'
import type { HollerError } from '../core/holler-error.ts'
import { ControlFault } from '../protocol/control/control-fault.ts'
import type { Handlers } from './control-handler.ts'
import type { Daemon } from './daemon.ts'
import { within } from './deadline.ts'
import type { Buddy } from './roster.ts'
import { pathView } from './views.ts'

type NetMethod = 'net.status' | 'net.path' | 'net.ping' | 'net.rebind'

/** Punching succeeds within a second or two where it can; a relayed session is there sooner. */
const DEFAULT_TIMEOUT_MS = 30_000

/** A path's story has some 2 KB; more of them than this are asked for one by one. */
const MAX_PEERS = 200

export function netMethods(daemon: Daemon): Handlers<NetMethod> {
  return {
    'net.status': () => {
      const { network, account, clock } = daemon
      const { nat, udpState, clockOffsetMs } = network.change((now, endpoint) => ({
        nat: endpoint.nat,
        udpState: endpoint.udp,
        clockOffsetMs: endpoint.clockOffsetMs(now, clock.wallNow()),
      }))
      const connected = account?.sessions.connected.slice(0, MAX_PEERS) ?? []
      return {
        udp: network.local === undefined ? null : formatEndpoint(network.local),
        publicAddresses: network.publicAddresses.map(formatEndpoint),
        forwarded: network.forwarded === undefined ? null : formatEndpoint(network.forwarded),
        stunServers: network.change((_now, { stunServers }) => stunServers).map(formatEndpoint),
        mapping: nat?.mapping ?? 'unknown',
        nat: nat ?? null,
        families: [...network.families],
        addresses: [...network.addresses],
        udpState,
        isUdpBlocked: udpState === 'silent' && daemon.status.state === 'online',
        proxy: daemon.proxy ?? null,
        clockOffsetMs: clockOffsetMs ?? null,
        peers: connected.flatMap((number) => {
          const buddy = account?.archive.roster.get(number)
          return account === undefined || buddy === undefined
            ? []
            : [pathView(daemon, account, buddy)]
        }),
        dropped: {
          ...network.change((_now, endpoint) => endpoint.stats()).dropped,
          ...account?.archive.dropped.snapshot(),
        },
      }
    },

    'net.path': ({ buddy }) => {
      const account = daemon.requireAccount()
      return pathView(daemon, account, account.archive.roster.require(buddy))
    },

    'net.rebind': () => {
      daemon.network.rebind()
      return {}
    },

    'net.ping': async ({ buddy: name, until, timeout_ms: timeoutMs }, client) => {
      const account = daemon.requireAccount()
      const buddy = account.archive.roster.require(name)
      const late = (): HollerError => tooLate(daemon, buddy, until ?? 'any')
      const given = new AbortController()
      const signal = AbortSignal.any([client.signal, given.signal])
      const pinged = account.sessions
        .reach(buddy.number, until ?? 'any', signal)
        .then(() => account.sessions.ping(buddy.number, signal))
      try {
        const ms = timeoutMs ?? DEFAULT_TIMEOUT_MS
        const rttMs = await within(daemon.clock, ms, pinged, late)
        return { rttMs, path: pathView(daemon, account, buddy) }
      } finally {
        given.abort(late())
        pinged.catch(() => undefined) // whoever waited has been told already
      }
    },
  }
}

function tooLate(daemon: Daemon, buddy: Buddy, until: 'any' | 'direct'): HollerError {
  const what = until === 'any' ? 'No session' : 'No direct path'
  const account = daemon.account
  const path = account === undefined ? undefined : pathView(daemon, account, buddy)
  return new ControlFault(
    'TIMEOUT',
    `${what} with ${buddy.handle} (${buddy.number}) in time${path === undefined ? '' : `: ${path.reason}`}`,
    { details: path === undefined ? {} : { path } },
  )
}
