import { formatEndpoint } from '../core/endpoint.ts'
import type { HollerError } from '../core/holler-error.ts'
import { ControlFault } from './control-fault.ts'
import type { Handlers } from './control-handler.ts'
import type { Daemon } from './daemon.ts'
import { within } from './deadline.ts'
import type { Buddy } from './roster.ts'
import { pathView } from './views.ts'

type NetMethod = 'net.status' | 'net.path' | 'net.ping'

/** Punching succeeds within a second or two where it can; a relayed session is there sooner. */
const DEFAULT_TIMEOUT_MS = 30_000

/** A path's story has some 2 KB; more of them than this are asked for one by one. */
const MAX_PEERS = 200

export function netMethods(daemon: Daemon): Handlers<NetMethod> {
  return {
    'net.status': () => {
      const { network, account } = daemon
      const connected = account?.sessions.connected.slice(0, MAX_PEERS) ?? []
      return {
        udp: network.local === undefined ? null : formatEndpoint(network.local),
        publicAddresses: network.publicAddresses.map(formatEndpoint),
        forwarded: network.forwarded === undefined ? null : formatEndpoint(network.forwarded),
        stunServers: network.change((_now, { stunServers }) => stunServers).map(formatEndpoint),
        mapping: 'unknown', // told by natprobe; the daemon does not measure its NAT by itself
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

    'net.ping': async ({ buddy: name, until, timeout_ms: timeoutMs }, client) => {
      const account = daemon.requireAccount()
      const buddy = account.archive.roster.require(name)
      const late = (): HollerError => tooLate(daemon, buddy, until ?? 'any')
      const given = new AbortController()
      const signal = AbortSignal.any([client.signal, given.signal])
      const reached = account.sessions.reach(buddy.number, until ?? 'any', signal)
      try {
        await within(daemon.clock, timeoutMs ?? DEFAULT_TIMEOUT_MS, reached, late)
      } finally {
        given.abort(late())
      }
      const path = pathView(daemon, account, buddy)
      return { rttMs: path.rttMs, path }
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
