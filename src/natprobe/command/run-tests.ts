/**
 * All tests of one run, side by side: both families by UDP, and what is found out beside them (`outside.ts`); then the same
 * through each other way out of this host.
 */
import { scopeOf } from '../../core/address-scope.ts'
import type { Endpoint } from '../../core/endpoint.ts'
import { HollerError } from '../../core/holler-error.ts'
import { resolveIpv4OnlyName } from '../../io/ipv4-only-name.ts'
import { sourceAddressTowards } from '../../io/source-address.ts'
import { otherUplinks, type Uplink } from '../../io/uplinks.ts'
import type { ProbeRequest } from '../command-line.ts'
import type { NatProbeEvent } from '../nat-probe.ts'
import {
  doubleNatOf,
  type Ipv4OnlyAnswer,
  nat64Of,
  nat64PrefixOf,
  type Outside,
  type TcpAnswer,
} from '../outside.ts'
import type { FamilyRun, NamedServer, UplinkRun } from '../report.ts'
import { isBlocked } from '../verdict.ts'
import { probeFamily, type Probing } from './family-run.ts'
import { type Resolved, serversOf } from './names.ts'
import { type TestedGateway, testPortMapping } from './port-mapping-test.ts'
import { askNobody, testTcp } from './tcp-tests.ts'

/** A name server on the LAN has it, or asks the one that has. */
const NAME_SERVER_MS = 1_000

export interface Found {
  readonly families: readonly FamilyRun[]
  readonly outside: Outside
  readonly otherUplinks: readonly UplinkRun[]
}

export async function runTests(
  request: ProbeRequest,
  resolved: readonly Resolved[],
  { onEvent, onUplink }: Listeners,
): Promise<Found> {
  const isFull = request.mode === 'full'
  const ipv4Only = isFull && request.families.includes(6) ? askIpv4Only() : undefined
  const servers = async (family: 4 | 6): Promise<readonly NamedServer[]> =>
    serversOf(family, resolved, family === 6 ? await nat64PrefixIn(ipv4Only) : undefined)
  const gateway = testGateway(request, serversOf(4, resolved))
  const tcp = isFull ? testTcp(endpointsOf(request, resolved)) : undefined
  const main = probeFamilies({ request, servers, onEvent })
  const others = probeOthers({ request, servers, onEvent }, main.settled, onUplink)
  const reached = main.finished.then(async (families) => ({
    families,
    besides: await reachedBesides(request, resolved, families, tcp),
  }))
  const [{ families, besides }, tested, otherUplinks] = await Promise.all([
    reached,
    gateway,
    others,
  ])
  const outside = {
    ...besides,
    ...asPortMapping(tested, families),
    ...(ipv4Only === undefined ? {} : { nat64: nat64Of(await ipv4Only) }),
  }
  return { families, outside, otherUplinks }
}

interface Listeners {
  readonly onEvent: (event: NatProbeEvent) => void
  /** The tests begin once more, through another interface. */
  readonly onUplink: () => void
}

// ---- Through one interface -------------------------------------------------------------------------------------------

interface Plan {
  readonly request: ProbeRequest
  readonly servers: (family: 4 | 6) => Promise<readonly NamedServer[]>
  readonly onEvent: Listeners['onEvent']
}

function probeFamilies(
  { request, servers, onEvent }: Plan,
  uplink?: Uplink,
): Probing<readonly FamilyRun[]> {
  const wanted = uplink?.families ?? request.families
  const runs = request.families
    .filter((family) => wanted.includes(family))
    .map((family) => probeFamily(family, request, servers(family), onEvent, uplink))
  return {
    settled: Promise.all(runs.map((run) => run.settled)).then(() => undefined),
    finished: Promise.all(runs.map((run) => run.finished)).then((found) =>
      found.filter((run) => run !== undefined),
    ),
  }
}

/**
 * One after another, so that none disturbs what another's NAT is judged by: it may be the same NAT. Only the slow tests of
 * one go on beside the next one's.
 */
async function probeOthers(
  plan: Plan,
  mainSettled: Promise<void>,
  onUplink: Listeners['onUplink'],
): Promise<readonly UplinkRun[]> {
  if (plan.request.bind !== undefined) return []
  const uplinks = await otherUplinks(await preferredAddresses(plan))
  const runs: Promise<UplinkRun>[] = [] // as many as there are uplinks
  let settled = mainSettled
  for (const uplink of uplinks) {
    await settled
    onUplink()
    const probing = probeFamilies(plan, uplink)
    ;({ settled } = probing)
    runs.push(uplinkRun(plan, uplink, probing.finished))
  }
  return await Promise.all(runs)
}

/** Where the system sends from, towards servers on the internet: others are not reached by default routes. */
async function preferredAddresses({
  request,
  servers,
}: Plan): Promise<readonly { readonly family: 4 | 6; readonly address: string }[]> {
  const found = await Promise.all(
    request.families.map(async (family) => {
      const [first] = await servers(family)
      if (first === undefined || scopeOf(first.endpoint) !== 'global') return []
      const address = await sourceAddressTowards(first.endpoint)
      return address === undefined ? [] : [{ family, address }]
    }),
  )
  return found.flat()
}

/** Never rejects: that one of several ways cannot be used is a finding. */
async function uplinkRun(
  { request, servers }: Plan,
  uplink: Uplink,
  finished: Promise<readonly FamilyRun[]>,
): Promise<UplinkRun> {
  const { interfaceName, dropsAnswers } = uplink
  const gateway = servers(4).then((asked) => testGateway(request, asked, uplink))
  try {
    const families = await finished
    const why = families.length === 0 ? UNUSABLE : dropsAnswers ? DROPPING : undefined
    const portMapping = asPortMapping(await gateway, families)
    return { interfaceName, families, ...portMapping, ...(why !== undefined && { why }) }
  } catch (error) {
    await gateway.catch(() => undefined)
    if (!(error instanceof HollerError)) throw error
    return { interfaceName, families: [], why: error.message }
  }
}

const UNUSABLE =
  'nothing could be sent through it: it has no address, or the optional package koffi is missing'
const DROPPING =
  'this host drops answers that come in here (rp_filter is 1; with 2 they would be heard)'

/** The one on the way to the server. */
async function testGateway(
  { families, bind, mode }: ProbeRequest,
  [server]: readonly NamedServer[],
  uplink?: Uplink,
): Promise<TestedGateway | undefined> {
  if (mode !== 'full' || server === undefined || !families.includes(4)) return undefined
  const interfaceIndex = uplink?.interfaceIndex
  const from = bind?.address ?? (await sourceAddressTowards(server.endpoint, interfaceIndex))
  return from === undefined
    ? undefined
    : await testPortMapping(server.endpoint, from, interfaceIndex)
}

// ---- Beside it -------------------------------------------------------------------------------------------------------

/** Only where no server answered over UDP is it asked whether that is UDP's fault, and who else answers. */
async function reachedBesides(
  request: ProbeRequest,
  resolved: readonly Resolved[],
  families: readonly FamilyRun[],
  asked: Promise<readonly TcpAnswer[]> | undefined,
): Promise<Pick<Outside, 'tcp' | 'nobodys'>> {
  const isSilent = families.length > 0 && families.every(({ result }) => isBlocked(result))
  if (!isSilent) return { tcp: (await asked) ?? [], nobodys: [] }
  const [tcp, nobodys] = await Promise.all([
    asked ?? testTcp(endpointsOf(request, resolved)),
    askNobody(families.map(({ family }) => (family === 'ipv4' ? 4 : 6))),
  ])
  return { tcp, nobodys }
}

function asPortMapping(
  tested: TestedGateway | undefined,
  families: readonly FamilyRun[],
): Pick<Outside, 'portMapping'> {
  if (tested === undefined) return {}
  const { report, external } = tested
  if (external === undefined) return { portMapping: report }
  const seen = families.find(({ family }) => family === 'ipv4')?.result.mapping.public ?? []
  return { portMapping: { ...report, doubleNat: doubleNatOf(external, seen) } }
}

async function askIpv4Only(): Promise<Ipv4OnlyAnswer> {
  return await resolveIpv4OnlyName(NAME_SERVER_MS)
}

async function nat64PrefixIn(
  asked: Promise<Ipv4OnlyAnswer> | undefined,
): Promise<ReturnType<typeof nat64PrefixOf>> {
  const answer = await asked
  return answer?.kind === 'addresses' ? nat64PrefixOf(answer.addresses) : undefined
}

function endpointsOf(
  { families }: ProbeRequest,
  resolved: readonly Resolved[],
): readonly Endpoint[] {
  return families.flatMap((family) => serversOf(family, resolved).map((server) => server.endpoint))
}
