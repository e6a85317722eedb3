/** What the control socket shows: the daemon's own records as the views of `protocol/control/schema.ts`. */
import { type Endpoint, formatEndpoint } from '../core/endpoint.ts'
import type {
  BuddyView,
  LoginView,
  MessageView,
  PathView,
  StatusView,
} from '../protocol/control/schema.ts'
import type { Located } from '../protocol/server/people-messages.ts'
import type { ActiveAccount } from './active-account.ts'
import type { Daemon } from './daemon.ts'
import type { StoredMessage } from './history.ts'
import { type Buddy, personOf } from './roster.ts'

export function statusView(daemon: Daemon): StatusView {
  const { account, network, status } = daemon
  return {
    version: daemon.version,
    startedAt: new Date(daemon.startedAtMs).toISOString(),
    session: status.state,
    sessionReason: status.reason,
    server: account?.account.serverLink ?? null,
    account: account?.person ?? null,
    udp: shownEndpoint(network.local),
    publicAddresses: network.publicAddresses.map(formatEndpoint),
    buddies: account === undefined ? NO_BUDDIES : buddyCounts(account),
    outbox: account?.archive.outbox.size ?? 0,
    lastSeq: daemon.journal.lastSeq,
  }
}

export function buddyView(account: ActiveAccount, buddy: Buddy): BuddyView {
  const { state, text } = account.presence.get(buddy.number)
  return {
    ...personOf(buddy),
    state: buddy.state,
    presence: state,
    presenceText: text,
    note: buddy.remark ?? buddy.note,
    group: buddy.group ?? '',
    path: account.sessions.kind(buddy.number),
    pathPolicy: buddy.pathPolicy,
  }
}

export function loginView(located: Located): LoginView {
  const { client, sinceMs, seenFrom, localAddresses, publicEndpoints, udpPort, tcpPort } = located
  return {
    client,
    since: new Date(sinceMs).toISOString(),
    seenFrom: formatEndpoint(seenFrom),
    localAddresses: [...localAddresses],
    publicAddresses: publicEndpoints.map(formatEndpoint),
    udpPort,
    tcpPort,
    nat: located.nat ?? null,
  }
}

export function messageView(account: ActiveAccount, stored: StoredMessage): MessageView {
  const { id, direction, text, state, atMs, replyTo } = stored
  const buddy = account.archive.roster.get(stored.buddy)
  return {
    id,
    direction,
    // Of somebody who is no buddy any more only the number is left.
    buddy: buddy === undefined ? { number: stored.buddy, handle: '' } : personOf(buddy),
    text,
    state,
    at: new Date(atMs).toISOString(),
    ...(replyTo === undefined ? {} : { replyTo }),
  }
}

export function pathView(daemon: Daemon, account: ActiveAccount, buddy: Buddy): PathView {
  const report = account.sessions.report(buddy.number)
  if (report === undefined) return noPath(daemon, account, buddy)
  const { kind, local, remote, rttMs, lossRatio, since, reason, remedy } = report
  const agoMs = since === undefined ? undefined : daemon.clock.now() - since
  return {
    buddy: personOf(buddy),
    kind,
    local: shownEndpoint(local),
    remote: shownEndpoint(remote),
    relay: report.relay ?? null,
    rttMs: rttMs ?? 0,
    lossRatio,
    since: agoMs === undefined ? null : new Date(daemon.clock.wallNow() - agoMs).toISOString(),
    reason,
    remedy,
    strategies: [...report.strategies],
    attempts: report.attempts.map(({ strategy, verdict, probesSent }) => ({
      strategy,
      verdict,
      probes: probesSent,
    })),
    candidates: report.candidates.map((candidate) => ({
      side: candidate.side,
      kind: candidate.kind,
      endpoint: formatEndpoint(candidate.endpoint),
    })),
    nat: report.nat ?? null,
  }
}

const NO_BUDDIES = { total: 0, online: 0, direct: 0, relay: 0 }

function buddyCounts({ archive, presence, sessions }: ActiveAccount): StatusView['buddies'] {
  const buddies = archive.roster.all().filter(({ state }) => state === 'accepted')
  const kinds = buddies.map(({ number }) => sessions.kind(number))
  return {
    total: buddies.length,
    online: buddies.filter(({ number }) => presence.isOnline(number)).length,
    direct: kinds.filter((kind) => kind === 'lan' || kind === 'direct').length,
    relay: kinds.filter((kind) => kind === 'relay').length,
  }
}

function noPath(daemon: Daemon, account: ActiveAccount, buddy: Buddy): PathView {
  const isOnline = account.presence.isOnline(buddy.number)
  const [reason, remedy] =
    daemon.status.state !== 'online'
      ? ['server-unreachable', 'a path is looked for when the server is there again']
      : isOnline
        ? ['no-session', 'a path is looked for as soon as there is something to send']
        : ['buddy-offline', '']
  return {
    buddy: personOf(buddy),
    kind: 'none',
    local: null,
    remote: null,
    relay: null,
    rttMs: 0,
    lossRatio: 0,
    since: null,
    reason,
    remedy,
    strategies: [],
    attempts: [],
    candidates: [],
    nat: null,
  }
}

function shownEndpoint(endpoint: Endpoint | undefined): string | null {
  return endpoint === undefined ? null : formatEndpoint(endpoint)
}
