/** What the findings mean for somebody who wants direct paths. */
import type { FilteringValue, MappingValue } from './finding.ts'
import type { NatProbeResult } from './nat-probe.ts'
import { isPortal, NOTHING_OUTSIDE, type Outside, provesTcp } from './outside.ts'

export const verdicts = [
  'direct',
  'relay-likely',
  'udp-blocked',
  'captive-portal',
  'inconclusive',
] as const

export type Verdict = (typeof verdicts)[number]

/** The exit status of `natprobe`, besides 2 for usage and 70 for an internal error. */
export const exitStatus: Readonly<Record<Verdict, number>> = {
  direct: 0,
  'relay-likely': 10,
  'udp-blocked': 11,
  'captive-portal': 12,
  inconclusive: 20,
}

/** The four NAT types of RFC 3489 §5 and its firewall cases: words that people know. */
export const classicTypes = [
  'open-internet',
  'symmetric-firewall',
  'full-cone',
  'restricted-cone',
  'port-restricted-cone',
  'symmetric',
  'udp-blocked',
  'unknown',
] as const

export type ClassicType = (typeof classicTypes)[number]

export function familyVerdict({ mapping }: NatProbeResult): Verdict {
  if (isBlocked({ mapping })) return 'udp-blocked'
  switch (mapping.mapping.value) {
    case 'none':
    case 'endpoint-independent':
      return 'direct'
    case 'address-dependent':
    case 'address-and-port-dependent':
      return 'relay-likely'
    case 'eim-or-adm':
    case 'unknown':
      return 'inconclusive'
  }
}

const ORDER = ['direct', 'relay-likely', 'inconclusive', 'udp-blocked'] as const

/** What helps where no server answered at all. */
export function adviceOnSilence(verdict: Verdict): readonly string[] {
  switch (verdict) {
    case 'captive-portal':
      return [
        'Somebody answers in the name of everybody: open a web page and log in to this network first.',
      ]
    case 'udp-blocked':
      return [
        'TCP gets through and UDP does not. Allow outgoing UDP in the firewall, at least to the port of the server.',
      ]
    case 'direct':
    case 'relay-likely':
    case 'inconclusive':
      return [
        'No server answered over UDP, nor over TCP: it may be down, or there is no way to it. Try another server, or name several.',
      ]
  }
}

/**
 * One family that works is enough. That no server answered means that UDP is blocked only where TCP gets through;
 * otherwise the server may be down, or the network. A portal that answers in everybody's name explains it all.
 */
export function overallVerdict(
  families: readonly NatProbeResult[],
  outside: Outside = NOTHING_OUTSIDE,
): Verdict {
  const found = families.map(familyVerdict)
  const verdict = ORDER.find((one) => found.includes(one)) ?? 'inconclusive'
  const isSilent = families.length > 0 && families.every(isBlocked)
  if (isSilent && outside.nobodys.some(isPortal)) return 'captive-portal'
  if (!isSilent) return verdict
  const silent = families.reduce((sum, { mapping }) => sum + mapping.silent.length, 0)
  return provesTcp(outside, silent) ? 'udp-blocked' : 'inconclusive'
}

export function classicType({ mapping, filtering }: NatProbeResult): ClassicType {
  if (isBlocked({ mapping })) return 'udp-blocked'
  const value = mapping.mapping.value
  switch (value) {
    case 'address-dependent':
    case 'address-and-port-dependent':
      return 'symmetric'
    case 'eim-or-adm':
    case 'unknown':
      return 'unknown'
    case 'none':
    case 'endpoint-independent':
      return byFiltering(value, filtering?.value ?? 'unknown')
  }
}

function byFiltering(mapping: MappingValue, filtering: FilteringValue): ClassicType {
  switch (filtering) {
    case 'endpoint-independent':
      return mapping === 'none' ? 'open-internet' : 'full-cone'
    case 'address-dependent':
      return mapping === 'none' ? 'symmetric-firewall' : 'restricted-cone'
    case 'address-and-port-dependent':
      return mapping === 'none' ? 'symmetric-firewall' : 'port-restricted-cone'
    case 'unknown':
      return 'unknown'
  }
}

/** Every server was asked to the end, and none answered. */
export function isBlocked({ mapping }: Pick<NatProbeResult, 'mapping'>): boolean {
  return mapping.answered.length === 0 && mapping.silent.length > 0
}

/** What to do about it, in sentences for people. */
export function adviceFor(result: NatProbeResult): readonly string[] {
  const { mapping, hairpin } = result
  const advice: string[] = []
  switch (familyVerdict(result)) {
    case 'direct':
      break
    case 'relay-likely':
      advice.push(
        'The NAT gives each destination another public port, so peers cannot tell where to send. Turn on port mapping (UPnP, NAT-PMP or PCP) in the router, or forward a UDP port to this host.',
        'If the router itself is behind another NAT (a carrier’s), ask for a public address or use IPv6.',
      )
      break
    case 'udp-blocked': // `adviceOnSilence`
    case 'captive-portal':
      break
    case 'inconclusive':
      advice.push(inconclusiveAdvice(mapping.mapping.value))
  }
  if (mapping.rewritesPayload === true) {
    advice.push(
      'Something on the way rewrites addresses inside packets (an "application layer gateway"). Turn it off in the router.',
    )
  }
  if (hairpin?.value === false) {
    advice.push(
      'Hosts behind this router cannot reach each other by its public address: peers here must find each other in the local network.',
    )
  }
  return advice
}

function inconclusiveAdvice(mapping: MappingValue): string {
  return mapping === 'eim-or-adm'
    ? 'This server has one address only. Name a server with two addresses to know whether other hosts can be reached directly.'
    : 'Too few servers answered. Name a server with two addresses, or at least three plain STUN servers; or try again when less is lost on the way.'
}
