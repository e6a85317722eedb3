/**
 * What changed between two reports. The older one comes from a file, so nothing is believed about it but what is looked
 * at. Ports, times and confidences differ from run to run and say nothing about the network: they are left out.
 */
import { type Decoded, decoded, malformed } from '../core/decoded.ts'

export interface Change {
  /** Where it stands in the report: `families.ipv4.mapping`. */
  readonly field: string
  /** `null`: it was not in the report. */
  readonly before: unknown
  readonly now: unknown
}

/** A report as it was read; only its schema is known. */
export type OldReport = Readonly<Record<string, unknown>>

export function readOldReport(text: string): Decoded<OldReport> {
  const value = parsed(text)
  if (!isRecord(value)) return malformed('not a JSON document')
  if (value['schema'] !== 1) return malformed('not a natprobe report of schema 1')
  return decoded(value)
}

/** In the order of the report. With an anonymized one, what it hides is not compared. */
export function changesBetween(before: OldReport, now: OldReport): readonly Change[] {
  const isAnonymized = before['anonymized'] === true || now['anonymized'] === true
  const [old, young] = [facts(before, isAnonymized), facts(now, isAnonymized)]
  const fields = [...new Set([...young.keys(), ...old.keys()])]
  return fields.flatMap((field): readonly Change[] => {
    const change = { field, before: old.get(field) ?? null, now: young.get(field) ?? null }
    return JSON.stringify(change.before) === JSON.stringify(change.now) ? [] : [change]
  })
}

/** What a finding says is in its `value`. */
const FINDINGS = [
  'mapping',
  'filtering',
  'hairpin',
  'portPreservation',
  'pooling',
  'poisonable',
  'natDepth',
  'rewritesPayload',
  'inboundFirewall',
  'mtu',
  'fragments',
] as const

function facts(report: OldReport, isAnonymized: boolean): ReadonlyMap<string, unknown> {
  const all = new Map<string, unknown>()
  noteWay(all, '', report, isAnonymized)
  noteEgress(all, report['egress'])
  for (const name of ['captivePortal', 'nat64'] as const) {
    const finding = report[name]
    if (isRecord(finding)) note(all, name, finding['value'])
  }
  if (isAnonymized) return all // the interfaces have other names
  const uplinks = Array.isArray(report['otherUplinks']) ? report['otherUplinks'] : []
  for (const uplink of uplinks as readonly unknown[]) {
    if (!isRecord(uplink) || typeof uplink['interface'] !== 'string') continue
    noteWay(all, `otherUplinks.${uplink['interface']}.`, uplink, false)
  }
  return all
}

/** What is found through one interface. `prefix`: where it stands, with its dot. */
function noteWay(
  all: Map<string, unknown>,
  prefix: string,
  way: OldReport,
  isAnonymized: boolean,
): void {
  note(all, `${prefix}verdict`, way['verdict'])
  for (const family of ['ipv4', 'ipv6'] as const) {
    const found = isRecord(way['families']) ? way['families'][family] : undefined
    if (isRecord(found)) noteFamily(all, `${prefix}families.${family}`, found, isAnonymized)
  }
  noteGateway(all, `${prefix}portMapping`, way['portMapping'], isAnonymized)
  if (!isAnonymized) noteServers(all, `${prefix}servers`, way['servers'])
}

function noteFamily(
  all: Map<string, unknown>,
  path: string,
  family: OldReport,
  isAnonymized: boolean,
): void {
  if (!isAnonymized) {
    note(all, `${path}.local`, withoutPort(family['local']))
    note(all, `${path}.public`, addressesOf(family['public']))
  }
  note(all, `${path}.natted`, family['natted'])
  note(all, `${path}.classic`, family['classic'])
  for (const name of FINDINGS) {
    const finding = family[name]
    if (isRecord(finding)) note(all, `${path}.${name}`, finding['value'])
  }
  // The ends of a range that was seen are chance; the rule is not.
  const allocator = isRecord(family['allocator']) ? family['allocator']['value'] : undefined
  const lifetime = isRecord(family['lifetime']) ? family['lifetime']['value'] : undefined
  if (isRecord(lifetime)) noteLifetime(all, `${path}.lifetime`, lifetime)
  if (isRecord(allocator)) note(all, `${path}.allocator`, allocator['kind'])
}

function noteLifetime(all: Map<string, unknown>, path: string, lifetime: OldReport): void {
  for (const name of ['atLeastMs', 'atMostMs', 'unrepliedMs', 'refreshedBy'] as const) {
    note(all, `${path}.${name}`, lifetime[name])
  }
}

function noteGateway(
  all: Map<string, unknown>,
  path: string,
  gateway: unknown,
  isAnonymized: boolean,
): void {
  if (!isRecord(gateway)) return
  if (!isAnonymized) note(all, `${path}.gateway`, gateway['gateway'])
  for (const name of ['pcp', 'natPmp', 'upnp', 'doubleNat'] as const) {
    const finding = gateway[name]
    if (isRecord(finding)) note(all, `${path}.${name}`, finding['value'])
  }
}

function noteEgress(all: Map<string, unknown>, egress: unknown): void {
  for (const protocol of ['udp', 'tcp'] as const) {
    const ports = isRecord(egress) ? egress[protocol] : undefined
    if (!isRecord(ports)) continue
    for (const [port, isOpen] of Object.entries(ports))
      note(all, `egress.${protocol}.${port}`, isOpen)
  }
}

function noteServers(all: Map<string, unknown>, path: string, servers: unknown): void {
  if (!Array.isArray(servers)) return
  for (const server of servers as readonly unknown[]) {
    if (!isRecord(server)) continue
    const { server: label, address } = server
    if (typeof label !== 'string') continue
    const name = typeof address === 'string' ? `${label} (${address})` : label
    note(all, `${path}.${name}`, server['answered'] === true ? 'answered' : 'no answer')
  }
}

function note(all: Map<string, unknown>, field: string, value: unknown): void {
  if (value !== undefined && value !== null) all.set(field, value)
}

function addressesOf(endpoints: unknown): unknown {
  if (!Array.isArray(endpoints)) return undefined
  return [...new Set(endpoints.map(withoutPort))].sort()
}

function withoutPort(endpoint: unknown): unknown {
  return typeof endpoint === 'string' ? endpoint.replace(/:\d+$/, '') : undefined
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function isRecord(value: unknown): value is OldReport {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
