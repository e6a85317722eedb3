/** The report for people. */
import type { Change } from './compare.ts'
import type { Finding } from './finding.ts'
import type { Lifetime } from './lifetime-judgement.ts'
import type { PortAllocation } from './port-allocation.ts'
import type { PeerPrediction, PortMappingFinding, PortMappingReport } from './outside.ts'
import type {
  EgressReport,
  FamilyName,
  FamilyReport,
  Report,
  ServerReport,
  UplinkReport,
} from './report.ts'
import type { Verdict } from './verdict.ts'

export const verdictSentences: Readonly<Record<Verdict, string>> = {
  direct: 'Direct paths expected.',
  'relay-likely': 'Direct paths unlikely: most peers will be reached through a relay.',
  'udp-blocked': 'UDP blocked: no server answered.',
  'captive-portal': 'Captive portal: log in to this network first.',
  inconclusive: 'Inconclusive: too little was answered to tell.',
}

export const familyTitles: Readonly<Record<FamilyName, string>> = { ipv4: 'IPv4', ipv6: 'IPv6' }

export function renderReport(report: Report): string {
  const { ipv4, ipv6 } = report.families
  const sections = [
    [verdictSentences[report.verdict]],
    ipv4 === undefined ? [] : renderFamily('ipv4', ipv4),
    ipv6 === undefined ? [] : renderFamily('ipv6', ipv6),
    titled('Around', aroundRows(report)),
    renderServers('Servers', report.servers),
    ...(report.otherUplinks ?? []).flatMap(renderUplink),
    report.advice.map((sentence) => `* ${sentence}`),
    report.changes === undefined ? [] : renderChanges(report.changes),
  ]
  const blocks = sections.filter((lines) => lines.length > 0).map((lines) => lines.join('\n'))
  return `${blocks.join('\n\n')}\n`
}

/** For a repeated run: the time and what changed; nothing when nothing did. */
export function renderChangedOnly({ startedAt, changes = [] }: Report): string {
  if (changes.length === 0) return ''
  return `${startedAt}\n${renderChanges(changes).slice(1).join('\n')}\n`
}

function renderChanges(changes: readonly Change[]): readonly string[] {
  return changes.length === 0 ? ['Nothing changed.'] : ['Changed', ...table(changeRows(changes))]
}

export function changeRows(changes: readonly Change[]): readonly Row[] {
  return changes.map(({ field, before, now }) => [
    fieldTitle(field),
    `${changedValue(before)} -> ${changedValue(now)}`,
  ])
}

/** `families.ipv4.mapping` is "IPv4 mapping" to people, and `otherUplinks.wlan0.…` is "through wlan0: …". */
function fieldTitle(field: string): string {
  const uplink = /^otherUplinks\.(.+?)\.((?:verdict|families|portMapping|servers)\b.*)$/.exec(field)
  if (uplink !== null) return `through ${uplink[1] ?? ''}: ${fieldTitle(uplink[2] ?? '')}`
  const match = /^families\.(ipv4|ipv6)\.(.*)$/.exec(field)
  if (match === null) return field.replace(/^servers\./, '')
  const [, family, rest = ''] = match
  const words = rest.replace(/\./g, ' ').replace(/([A-Z])/g, ' $1')
  return `${familyTitles[family === 'ipv6' ? 'ipv6' : 'ipv4']} ${words.toLowerCase()}`
}

function changedValue(value: unknown): string {
  if (value === null) return 'not known'
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  if (typeof value === 'string') return value
  return Array.isArray(value) ? value.join(', ') : JSON.stringify(value)
}

/** Sections with the interface's name in their titles. */
function renderUplink(uplink: UplinkReport): readonly (readonly string[])[] {
  const { ipv4, ipv6 } = uplink.families
  const through = `through ${uplink.interface}`
  return [
    [uplinkTitle(uplink), ...(uplink.why === undefined ? [] : [`  (${uplink.why})`])],
    ipv4 === undefined ? [] : renderFamily('ipv4', ipv4, through),
    ipv6 === undefined ? [] : renderFamily('ipv6', ipv6, through),
    titled(`Around, ${through}`, aroundRows(uplink)),
    renderServers(`Servers, ${through}`, uplink.servers),
  ]
}

export function uplinkTitle({ interface: name, verdict }: UplinkReport): string {
  return `Through ${name}, which the system does not prefer: ${verdictSentences[verdict]}`
}

function renderFamily(name: FamilyName, family: FamilyReport, through?: string): readonly string[] {
  const notes = familyNotes(family).map((note) => `  (${note})`)
  const title = through === undefined ? familyTitles[name] : `${familyTitles[name]}, ${through}`
  return [title, ...table(familyRows(family)), ...notes]
}

/** Why a value is not known, or how it must be read. */
export function familyNotes(family: FamilyReport): readonly string[] {
  const { mapping, filtering, poisonable, natDepth, lifetime, mtu, fragments, nat64 } = family
  const findings = [mapping, filtering, poisonable, natDepth, lifetime, mtu, fragments, nat64]
  return findings.flatMap((finding) => finding?.notes ?? [])
}

export type Row = readonly [name: string, value: string]

/** What is known of a family, line by line. */
export function familyRows(family: FamilyReport): readonly Row[] {
  const rows: readonly (Row | undefined)[] = [
    ['local address', family.local ?? 'none'],
    ['public address', family.public.length === 0 ? 'unknown' : family.public.join(', ')],
    ['NAT', family.natted === null ? 'unknown' : family.natted ? 'yes' : 'no'],
    ['mapping', withConfidence(family.mapping, family.mapping.value)],
    ['filtering', withConfidence(family.filtering, family.filtering.value)],
    ['classic type', family.classic],
    yesOrNo('hairpin', family.hairpin),
    yesOrNo('keeps ports', family.portPreservation),
    yesOrNo('several public addresses', family.pooling),
    family.allocator === undefined
      ? undefined
      : ['port allocation', withConfidence(family.allocator, allocation(family.allocator.value))],
    yesOrNo('early packets move ports', family.poisonable),
    family.natDepth === undefined
      ? undefined
      : ['hops to the last NAT', `${family.natDepth.value}`],
    ...lifetimeRows(family.lifetime),
    family.mtu === undefined ? undefined : ['largest packet', sizeText(family.mtu)],
    yesOrNo('fragments arrive', family.fragments),
    yesOrNo('firewall keeps strangers out', family.inboundFirewall),
    family.nat64 === undefined ? undefined : ['NAT64', family.nat64.value ?? 'none'],
    family.rewritesPayload?.value === true ? ['rewrites packets', 'yes'] : undefined,
  ]
  return rows.filter((row) => row !== undefined)
}

function sizeText({ value }: Finding<number | 'unknown'>): string {
  return value === 'unknown' ? value : `${value} bytes`
}

/** What belongs to no family: the gateway's port mapping, and which ports are let out. */
export function aroundRows(
  report: Pick<Report, 'portMapping' | 'egress' | 'captivePortal' | 'nat64' | 'peer'>,
): readonly Row[] {
  const { portMapping, egress, captivePortal, nat64, peer } = report
  const rows: readonly (Row | undefined)[] = [
    ...(portMapping === undefined ? [] : portMappingRows(portMapping)),
    egress === undefined ? undefined : ['UDP ports reached', portsText(egress.udp)],
    egress === undefined ? undefined : ['TCP ports reached', portsText(egress.tcp)],
    yesOrNo('captive portal', captivePortal),
    nat64 === undefined ? undefined : ['NAT64', nat64.value ?? 'none'],
    peer === undefined ? undefined : ['path to the peer', peerText(peer)],
  ]
  return rows.filter((row) => row !== undefined)
}

function peerText({ strategy, chance, expectedSeconds, why }: PeerPrediction): string {
  if (expectedSeconds === null) return `${strategy} (${why ?? 'no direct path'})`
  return `${strategy}, ${Math.round(100 * chance)} % within about ${expectedSeconds} s`
}

function portMappingRows({
  gateway,
  pcp,
  natPmp,
  upnp,
  doubleNat,
}: PortMappingReport): readonly Row[] {
  const found = [
    ['PCP', pcp],
    ['NAT-PMP', natPmp],
    ['UPnP', upnp],
  ] as const
  const rows: readonly (Row | undefined)[] = [
    ['gateway', gateway],
    ...found.map(([name, finding]): Row => [`port mapping by ${name}`, mappingText(finding)]),
    yesOrNo('another NAT behind it', doubleNat),
  ]
  return rows.filter((row) => row !== undefined)
}

function mappingText({ value, external, reachedAt, why }: PortMappingFinding): string {
  switch (value) {
    case 'works':
      return `works: ${reachedAt ?? external ?? ''} was reached from outside`
    case 'not-forwarded':
      return `granted as ${external ?? ''}, but nothing came through`
    case 'unavailable':
      return `no (${why ?? 'silent'})`
  }
}

function portsText(ports: EgressReport['udp']): string {
  const of = (value: boolean | 'unknown'): readonly string[] =>
    Object.entries(ports).flatMap(([port, found]) => (found === value ? [port] : []))
  const texts = [
    of(true).join(', ') || 'none',
    ...(of(false).length === 0 ? [] : [`not ${of(false).join(', ')}`]),
    ...(of('unknown').length === 0 ? [] : [`unknown ${of('unknown').join(', ')}`]),
  ]
  return texts.join('; ')
}

function titled(title: string, rows: readonly Row[]): readonly string[] {
  return rows.length === 0 ? [] : [title, ...table(rows)]
}

function withConfidence({ confidence }: Finding<unknown>, value: string): string {
  return value === 'unknown' ? value : `${value} (${Math.round(confidence * 100)} % sure)`
}

function yesOrNo(
  name: string,
  finding: { readonly value: boolean | 'unknown' } | undefined,
): readonly [string, string] | undefined {
  if (finding === undefined) return undefined
  return [name, finding.value === 'unknown' ? 'unknown' : finding.value ? 'yes' : 'no']
}

function allocation(value: PortAllocation): string {
  switch (value.kind) {
    case 'preserve':
      return 'the local port'
    case 'step':
      return `in steps of ${value.step}`
    case 'parity':
      return `random ${value.low} to ${value.high}, even stays even`
    case 'block':
      return `random in a block of ${value.blockSize}, seen ${value.low} to ${value.high}`
    case 'random':
      return `random ${value.low} to ${value.high}`
    case 'unknown':
      return 'unknown'
  }
}

function lifetimeRows(
  finding: Finding<Lifetime> | undefined,
): readonly (readonly [string, string])[] {
  if (finding === undefined) return []
  const { unrepliedMs, refreshedBy } = finding.value
  const rows: [string, string][] = [
    ['idle mappings live', withConfidence(finding, lifetimeText(finding.value))],
  ]
  if (unrepliedMs !== null) {
    const isSeen = unrepliedMs > 0
    rows.push(['without a reply', isSeen ? `at least ${unrepliedMs / 1000} s` : 'less than that'])
  }
  if (refreshedBy !== 'unknown') {
    const both = 'packets in either direction'
    rows.push(['are kept by', refreshedBy === 'both' ? both : 'packets from inside alone'])
  }
  return rows
}

export function lifetimeText({ atLeastMs, atMostMs }: Lifetime): string {
  if (atLeastMs === null) return 'unknown'
  if (atMostMs === null) return `${atLeastMs / 1000} s or longer`
  return atLeastMs === 0
    ? `less than ${atMostMs / 1000} s`
    : `${atLeastMs / 1000} to ${atMostMs / 1000} s`
}

function renderServers(title: string, servers: readonly ServerReport[]): readonly string[] {
  return titled(
    title,
    servers.map((server) => [server.server, serverState(server)] as const),
  )
}

function serverState(server: ServerReport): string {
  const { address, answered, rttMs, jitterMs, lossRatio } = server
  if (address === undefined) return 'name not found'
  const state = answered === undefined ? 'not waited for' : answered ? 'answered' : 'no answer'
  const parts = [
    server.server.includes(address) ? '' : address,
    state,
    rttMs === undefined ? '' : `${rttMs.p50} ms`,
    jitterMs === undefined ? '' : `jitter ${jitterMs} ms`,
    lossRatio === undefined ? '' : `loss ${Math.round(lossRatio * 100)} %`,
    server.hasAlternateAddress === true ? 'two addresses' : '',
  ]
  return parts.filter((part) => part !== '').join(', ')
}

function table(rows: readonly Row[]): readonly string[] {
  const width = Math.max(...rows.map(([name]) => name.length))
  return rows.map(([name, value]) => `  ${name.padEnd(width)}  ${value}`)
}
