/** The report of a run: JSON schema 1 (`docs/natprobe.schema.json`). Fields are only ever added. */
import { formatEndpoint, type Endpoint } from '../core/endpoint.ts'
import type { Change } from './compare.ts'
import type { FilteringValue, Finding, MappingValue } from './finding.ts'
import type { Lifetime } from './lifetime-judgement.ts'
import type { NatProbeResult } from './nat-probe.ts'
import type { PortAllocation } from './port-allocation.ts'
import {
  adviceFor,
  classicType,
  type ClassicType,
  familyVerdict,
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
  readonly servers: readonly ServerReport[]
  /** Since the report that this one was compared with. */
  readonly changes?: readonly Change[]
  /** Addresses and server names are pseudonyms. */
  readonly anonymized?: true
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

export function makeReport(run: {
  readonly startedAt: string
  readonly tookMs: number
  readonly families: readonly FamilyRun[]
  /** Names that could not be looked up. */
  readonly unresolved: readonly string[]
}): Report {
  const { families, unresolved } = run
  const verdict = overallVerdict(families.map(({ result }) => familyVerdict(result)))
  return {
    schema: 1,
    startedAt: run.startedAt,
    tookMs: Math.round(run.tookMs),
    verdict,
    advice: advice(families, verdict),
    families: Object.fromEntries(
      families.map(({ family, result }) => [family, familyReport(result)]),
    ),
    servers: [
      ...families.flatMap(serverReports),
      ...unresolved.map((server) => ({ server, answered: false })),
    ],
  }
}

/** Only what helps: where one family does what is wanted, the other one's troubles are not pressed on anybody. */
function advice(families: readonly FamilyRun[], verdict: Verdict): readonly string[] {
  if (families.length === 0) return ['There is no route to any of the servers, or no such name.']
  const relevant = families.filter(({ result }) => familyVerdict(result) === verdict)
  return [...new Set(relevant.flatMap(({ result }) => adviceFor(result)))]
}

function familyReport(result: NatProbeResult): FamilyReport {
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
  }
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
