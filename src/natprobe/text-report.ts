/** The report for people. */
import type { Finding } from './finding.ts'
import type { PortAllocation } from './port-allocation.ts'
import type { FamilyName, FamilyReport, Report, ServerReport } from './report.ts'
import type { Verdict } from './verdict.ts'

const verdictSentences: Readonly<Record<Verdict, string>> = {
  direct: 'Direct paths expected.',
  'relay-likely': 'Direct paths unlikely: most peers will be reached through a relay.',
  'udp-blocked': 'UDP blocked: no server answered.',
  inconclusive: 'Inconclusive: too little was answered to tell.',
}

const familyTitles: Readonly<Record<FamilyName, string>> = { ipv4: 'IPv4', ipv6: 'IPv6' }

export function renderReport(report: Report): string {
  const { ipv4, ipv6 } = report.families
  const sections = [
    [verdictSentences[report.verdict]],
    ipv4 === undefined ? [] : renderFamily('ipv4', ipv4),
    ipv6 === undefined ? [] : renderFamily('ipv6', ipv6),
    renderServers(report.servers),
    report.advice.map((sentence) => `* ${sentence}`),
  ]
  const blocks = sections.filter((lines) => lines.length > 0).map((lines) => lines.join('\n'))
  return `${blocks.join('\n\n')}\n`
}

function renderFamily(name: FamilyName, family: FamilyReport): readonly string[] {
  const rows: readonly (readonly [string, string] | undefined)[] = [
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
    family.rewritesPayload?.value === true ? ['rewrites packets', 'yes'] : undefined,
  ]
  const notes = [...(family.mapping.notes ?? []), ...(family.filtering.notes ?? [])]
  return [familyTitles[name], ...table(rows), ...notes.map((note) => `  (${note})`)]
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

function renderServers(servers: readonly ServerReport[]): readonly string[] {
  const rows = servers.map((server) => [server.server, serverState(server)] as const)
  return servers.length === 0 ? [] : ['Servers', ...table(rows)]
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

function table(rows: readonly (readonly [string, string] | undefined)[]): readonly string[] {
  const present = rows.filter((row) => row !== undefined)
  const width = Math.max(...present.map(([name]) => name.length))
  return present.map(([name, value]) => `  ${name.padEnd(width)}  ${value}`)
}
