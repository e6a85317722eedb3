import type { PathView, Result } from '../../protocol/control/schema.ts'
import type { Paint } from '../paint.ts'
import { visibleText } from '../visible-text.ts'
import { PATH_COLOURS } from './buddies.ts'
import { columns } from './columns.ts'
import { personName } from './person.ts'
import { localTime, milliseconds } from './time.ts'

export function renderNet(net: Result<'net.status'>, paint: Paint): string {
  const dropped = Object.entries(net.dropped)
    .filter(([, count]) => count > 0)
    .map(([what, count]) => `${visibleText(what)} ${count}`)
  const rows = [
    ['udp', net.udp ?? 'none'],
    ['public', net.publicAddresses.join(', ') || 'not known'],
    ...(net.forwarded === null ? [] : [['forwarded', net.forwarded]]),
    ['own', net.addresses.join(', ') || 'none'],
    ['nat', natText(net)],
    ['udp works', udpText(net)],
    ['proxy', visibleText(net.proxy ?? 'none')],
    ['clock', clockText(net.clockOffsetMs)],
    ['dropped', dropped.join(', ') || 'nothing'],
  ]
  const facts = columns(rows.map(([name, value]) => [paint('dim', name ?? ''), value ?? '']))
  const peers = columns(net.peers.map((path) => pathRow(path, paint)))
  return peers === '' ? facts : `${facts}\n\n${peers}`
}

function natText({ nat, mapping }: Result<'net.status'>): string {
  if (nat === null) return `mapping ${visibleText(mapping)}`
  const depth = nat.depth === undefined ? '' : `, ${nat.depth} deep`
  return `mapping ${nat.mapping}, filtering ${nat.filtering}, ports ${nat.ports.kind}${depth}`
}

function udpText({ udpState, isUdpBlocked }: Result<'net.status'>): string {
  if (isUdpBlocked)
    return 'no: this network blocks UDP, so everything goes through the relay inside TLS'
  return { works: 'yes', silent: 'no answer, and no server either', unknown: 'not known' }[udpState]
}

function clockText(offsetMs: number | null): string {
  if (offsetMs === null) return 'not compared'
  return `${milliseconds(Math.abs(offsetMs))} ${offsetMs < 0 ? 'ahead of' : 'behind'} the server’s`
}

export function renderPath(path: PathView, paint: Paint): string {
  const rows = [
    ['path', `${kind(path, paint)}  ${addresses(path)}`.trimEnd()],
    ['quality', quality(path)],
    ['since', path.since === null ? '' : localTime(path.since)],
    ['reason', visibleText(path.reason)],
    ['remedy', visibleText(path.remedy)],
    ['tried', path.strategies.map(visibleText).join(', ')],
    ...path.attempts.map(({ strategy, verdict, probes }) => [
      'attempt',
      `${visibleText(strategy)}: ${visibleText(verdict)}, ${probes} probes`,
    ]),
    ...path.candidates.map(({ side, kind: candidate, endpoint }) => [
      side === 'local' ? 'ours' : 'theirs',
      `${endpoint}  ${visibleText(candidate)}`,
    ]),
  ].filter(([, value]) => value !== '')
  const table = columns(rows.map(([name, value]) => [paint('dim', name ?? ''), value ?? '']))
  return `${personName(path.buddy, paint)}\n${table}`
}

export function renderPing({ rttMs, path }: Result<'net.ping'>, paint: Paint): string {
  const where = path.remote === null ? '' : ` ${path.remote}`
  return `${personName(path.buddy, paint)} answers in ${milliseconds(rttMs)}, ${kind(path, paint)}${where}`
}

function pathRow(path: PathView, paint: Paint): readonly string[] {
  return [personName(path.buddy, paint), kind(path, paint), path.remote ?? '', quality(path)]
}

function kind(path: PathView, paint: Paint): string {
  const over = path.relay === null ? '' : ` over ${path.relay.toUpperCase()}`
  return paint(PATH_COLOURS[path.kind], path.kind) + over
}

// To the relay goes whatever address the system chooses: there is no local one to tell.
function addresses({ local, remote }: PathView): string {
  if (remote === null) return ''
  return local === null ? `via ${remote}` : `${local} → ${remote}`
}

function quality({ kind: pathKind, rttMs, lossRatio }: PathView): string {
  if (pathKind === 'none') return ''
  return `RTT ${milliseconds(rttMs)}, loss ${(lossRatio * 100).toFixed(lossRatio > 0 ? 1 : 0)} %`
}
