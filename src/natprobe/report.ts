/** The report of a run: JSON schema 1 (`docs/natprobe.schema.json`). Fields are only ever added. */
import { formatEndpoint, type Endpoint } from '../core/endpoint.ts'
import type { Change } from './compare.ts'
import type { FilteringValue, Finding, MappingValue } from './finding.ts'
import type { Lifetime } from './lifetime-judgement.ts'
import type { UdpEgress } from './egress-probe.ts'
import type { NatProbeResult } from './nat-probe.ts'
import {
  isPortal,
  type Nat64Finding,
  NOTHING_OUTSIDE,
  type Outside,
  type PeerPrediction,
  type PortMappingReport,
} from './outside.ts'
import type { PortAllocation } from './port-allocation.ts'
import {
  adviceFor,
  adviceOnSilence,
  classicType,
  type ClassicType,
  familyVerdict,
  isBlocked,
  overallVerdict,
  type Verdict,
} from './verdict.ts'

export type FamilyName = 'ipv4' | 'ipv6'

export interface FamilyReport {
  readonly local: string | null
  readonly public: readonly string[]
  readonly natted: boolean | null
  readonly mapping: Finding<MappingValue>
  readonly filtering: Finding<FilteringValue>
  readonly classic: ClassicType
  readonly hairpin?: Finding<boolean | 'unknown'>
  readonly portPreservation?: { readonly value: boolean; readonly confidence: number }
  readonly pooling?: { readonly value: boolean; readonly confidence: number }
  readonly allocator?: Finding<PortAllocation>
  readonly poisonable?: Finding<boolean | 'unknown'>
  readonly natDepth?: Finding<number | 'unknown'>
  readonly lifetime?: Finding<Lifetime>
  readonly rewritesPayload?: { readonly value: boolean }
  readonly mtu?: Finding<number | 'unknown'>
  readonly fragments?: Finding<boolean | 'unknown'>
  /** Of IPv6 without translation: whether strangers are kept out. */
  readonly inboundFirewall?: {
    readonly value: boolean | 'unknown'
    readonly confidence: number
  }
  /** Of IPv6. */
  readonly nat64?: Nat64Finding
}

/** `unknown`: refused, or not answered by a server that may not listen there. */
type Reached = boolean | 'unknown'

export interface EgressReport {
  /** By port. */
  readonly udp: Readonly<Record<string, Reached>>
  readonly tcp: Readonly<Record<string, Reached>>
}

export interface ServerReport {
  /** As the user named it. */
  readonly server: string
  /** Absent when the name could not be looked up. */
  readonly address?: string
  readonly answered?: boolean
  readonly hasAlternateAddress?: boolean
  readonly rttMs?: { readonly p50: number; readonly p99: number }
  readonly jitterMs?: number
  readonly lossRatio?: number
}

export interface Report {
  readonly schema: 1
  readonly startedAt: string
  readonly tookMs: number
  readonly verdict: Verdict
  readonly advice: readonly string[]
  readonly families: Readonly<Partial<Record<FamilyName, FamilyReport>>>
  readonly portMapping?: PortMappingReport
  readonly egress?: EgressReport
  /** Whether somebody answers in the name of addresses at which nobody is; asked where no server answered. */
  readonly captivePortal?: { readonly value: boolean; readonly confidence: number }
  /** Where there is no IPv6 to test; else it is in its family. */
  readonly nat64?: Nat64Finding
  /** To the host of the report, or to the buddy, that `--peer` names. */
  readonly peer?: PeerPrediction
  readonly servers: readonly ServerReport[]
  /** The other ways out of this host; absent where there are none. */
  readonly otherUplinks?: readonly UplinkReport[]
  /** Since the report that this one was compared with. */
  readonly changes?: readonly Change[]
  /** Addresses and server names are pseudonyms. */
  readonly anonymized?: true
}

/** Through an interface that has a default route, and that the system does not prefer: as in the report itself. */
export interface UplinkReport extends Pick<
  Report,
  'verdict' | 'families' | 'portMapping' | 'servers'
> {
  readonly interface: string
  /** Why there is nothing to tell, or no answer to be expected. */
  readonly why?: string
}

/** A server as the user named it, and where that is. */
export interface NamedServer {
  readonly label: string
  readonly endpoint: Endpoint
}

export interface FamilyRun {
  readonly family: FamilyName
  readonly servers: readonly NamedServer[]
  readonly result: NatProbeResult
}

export interface UplinkRun {
  readonly interfaceName: string
  readonly families: readonly FamilyRun[]
  readonly portMapping?: PortMappingReport
  readonly why?: string
}

export function makeReport(run: {
  readonly startedAt: string
  readonly tookMs: number
  readonly families: readonly FamilyRun[]
  /** Names that could not be looked up. */
  readonly unresolved: readonly string[]
  readonly outside?: Outside
  readonly otherUplinks?: readonly UplinkRun[]
}): Report {
  const { families, unresolved, outside = NOTHING_OUTSIDE } = run
  const verdict = overallVerdict(
    families.map(({ result }) => result),
    outside,
  )
  const { nat64 } = outside
  const otherUplinks = (run.otherUplinks ?? []).map((uplink) => uplinkReport(uplink, nat64))
  return {
    schema: 1,
    startedAt: run.startedAt,
    tookMs: Math.round(run.tookMs),
    verdict,
    advice: [...advice(families, verdict), ...adviceOnUplinks(verdict, otherUplinks)],
    families: familyReports(families, nat64),
    ...(outside.portMapping === undefined ? {} : { portMapping: outside.portMapping }),
    ...egressReport(families, outside),
    ...(outside.nobodys.length === 0 ? {} : { captivePortal: portalReport(outside) }),
    ...(nat64 === undefined || families.some(({ family }) => family === 'ipv6') ? {} : { nat64 }),
    servers: [
      ...families.flatMap(serverReports),
      ...unresolved.map((server) => ({ server, answered: false })),
    ],
    ...(otherUplinks.length === 0 ? {} : { otherUplinks }),
  }
}

function uplinkReport(
  { interfaceName, families, portMapping, why }: UplinkRun,
  nat64: Nat64Finding | undefined,
): UplinkReport {
  return {
    interface: interfaceName,
    verdict: overallVerdict(families.map(({ result }) => result)),
    families: familyReports(families, nat64),
    ...(portMapping === undefined ? {} : { portMapping }),
    servers: families.flatMap(serverReports),
    ...(why === undefined ? {} : { why }),
  }
}

/** Without its name: `anonymize.ts` changes no sentences. */
function adviceOnUplinks(verdict: Verdict, uplinks: readonly UplinkReport[]): readonly string[] {
  const isBetter = verdict !== 'direct' && uplinks.some((uplink) => uplink.verdict === 'direct')
  return isBetter
    ? [
        'Direct paths are to be expected through another interface of this host (below), which the system does not prefer.',
      ]
    : []
}

function familyReports(
  families: readonly FamilyRun[],
  nat64: Nat64Finding | undefined,
): Report['families'] {
  return Object.fromEntries(
    families.map(({ family, result }) => [family, familyReport(family, result, nat64)]),
  )
}

/** Only what helps: where one family does what is wanted, the other one's troubles are not pressed on anybody. */
function advice(families: readonly FamilyRun[], verdict: Verdict): readonly string[] {
  if (families.length === 0) return ['There is no route to any of the servers, or no such name.']
  if (families.every(({ result }) => isBlocked(result))) return adviceOnSilence(verdict)
  const relevant = families.filter(({ result }) => familyVerdict(result) === verdict)
  return [...new Set(relevant.flatMap(({ result }) => adviceFor(result)))]
}

/** A port is reached when any server was reached on it. */
function egressReport(families: readonly FamilyRun[], { tcp }: Outside): Pick<Report, 'egress'> {
  const udp = families.flatMap(({ result }) => result.egress ?? [])
  if (udp.length === 0 && tcp.length === 0) return {}
  const byTcp = tcp.map(({ server, outcome }) => {
    const isOpen = outcome === 'connected' ? true : outcome === 'silent' ? false : 'unknown'
    return { port: server.port, isOpen } as const
  })
  return { egress: { udp: bestOfEach(udp), tcp: bestOfEach(byTcp) } }
}

function bestOfEach(found: readonly UdpEgress[]): Readonly<Record<string, Reached>> {
  const best = new Map<number, Reached>()
  for (const value of [true, 'unknown', false] as const) {
    for (const { port, isOpen } of found) {
      if (isOpen === value && !best.has(port)) best.set(port, value)
    }
  }
  return Object.fromEntries(best)
}

function portalReport({ nobodys }: Outside): NonNullable<Report['captivePortal']> {
  const value = nobodys.some(isPortal)
  return { value, confidence: value ? 0.95 : 0.9 }
}

function familyReport(
  family: FamilyName,
  result: NatProbeResult,
  nat64: Nat64Finding | undefined,
): FamilyReport {
  const { mapping, filtering, hairpin, allocation, poisonable, natDepth, lifetime } = result
  return {
    local: result.local === undefined ? null : formatEndpoint(result.local),
    public: mapping.public.map(formatEndpoint),
    natted: mapping.isNatted ?? null,
    mapping: { ...mapping.mapping, evidence: result.mappingEvidence },
    filtering: filtering ?? untestedFiltering(result),
    classic: classicType(result),
    ...(hairpin === undefined ? {} : { hairpin }),
    ...(mapping.isNatted === true ? portFindings(result) : {}),
    ...(allocation === undefined
      ? {}
      : { allocator: { ...allocation.allocation, evidence: allocation.evidence } }),
    ...(poisonable === undefined ? {} : { poisonable }),
    ...(natDepth === undefined ? {} : { natDepth }),
    ...(lifetime === undefined ? {} : { lifetime }),
    ...(mapping.rewritesPayload === undefined
      ? {}
      : { rewritesPayload: { value: mapping.rewritesPayload } }),
    ...(result.mtu === undefined ? {} : { mtu: result.mtu }),
    ...(result.fragments === undefined ? {} : { fragments: result.fragments }),
    ...(family === 'ipv6' ? firewallReport(result) : {}),
    ...(family === 'ipv6' && nat64 !== undefined ? { nat64 } : {}),
  }
}

/** Without translation, filtering is a firewall's work. */
function firewallReport({
  mapping,
  filtering,
}: NatProbeResult): Pick<FamilyReport, 'inboundFirewall'> {
  if (mapping.mapping.value !== 'none' || filtering === undefined) return {}
  const { value, confidence } = filtering
  const isClosed = value === 'unknown' ? value : value !== 'endpoint-independent'
  return { inboundFirewall: { value: isClosed, confidence } }
}

function untestedFiltering({ mapping }: NatProbeResult): Finding<FilteringValue> {
  const why =
    mapping.answered.length === 0
      ? 'no server answered'
      : 'no server with two addresses: nobody could answer from elsewhere'
  return { value: 'unknown', confidence: 0, evidence: [], notes: [why] }
}

/** More than this many of a NAT's mappings keep the port by chance in no NAT that does not mean to. */
const PRESERVED_SHARE = 0.5

function portFindings(result: NatProbeResult): Pick<FamilyReport, 'portPreservation' | 'pooling'> {
  const { mapping, allocation, local } = result
  const [first] = mapping.public
  if (first === undefined || local === undefined) return {}
  const samples = allocation?.samples ?? [{ local: local.port, mapped: first.port }]
  const kept = samples.filter((sample) => sample.local === sample.mapped).length
  const addresses = [...mapping.public, ...(allocation?.mapped ?? [])].map(({ address }) => address)
  const isPooled = new Set(addresses).size > 1
  return {
    portPreservation: {
      value: kept > PRESERVED_SHARE * samples.length,
      confidence: samples.length >= 8 ? 0.99 : 0.8,
    },
    // That a pool was not seen is surer the more sockets were looked at.
    pooling: { value: isPooled, confidence: isPooled || addresses.length >= 8 ? 0.99 : 0.5 },
  }
}

function serverReports({ servers, result }: FamilyRun): readonly ServerReport[] {
  return servers.map(({ label, endpoint }) => serverReport(label, endpoint, result))
}

function serverReport(label: string, endpoint: Endpoint, result: NatProbeResult): ServerReport {
  const address = formatEndpoint(endpoint)
  const is = ({ server }: { readonly server: Endpoint }): boolean =>
    formatEndpoint(server) === address
  const answer = result.mapping.answered.find(is)
  const latency = result.latency.find(is)?.latency
  const isSilent = result.mapping.silent.some((server) => is({ server }))
  const answered =
    answer !== undefined || latency?.rttMs !== undefined
      ? true
      : isSilent || latency !== undefined
        ? false
        : undefined
  return {
    server: label,
    address,
    ...(answered === undefined ? {} : { answered }),
    ...(answer === undefined ? {} : { hasAlternateAddress: answer.hasAlternateAddress }),
    ...(latency?.rttMs === undefined ? {} : { rttMs: latency.rttMs }),
    ...(latency?.jitterMs === undefined ? {} : { jitterMs: latency.jitterMs }),
    ...(latency === undefined ? {} : { lossRatio: Math.round(latency.lossRatio * 1000) / 1000 }),
  }
}
