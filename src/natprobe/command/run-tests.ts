/** All tests of one run, side by side: both families by UDP, and what is found out beside them (`outside.ts`). */
import type { Endpoint } from '../../core/endpoint.ts'
import { resolveIpv4OnlyName } from '../../io/ipv4-only-name.ts'
import { sourceAddressTowards } from '../../io/source-address.ts'
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
import type { FamilyRun } from '../report.ts'
import { isBlocked } from '../verdict.ts'
import { probeFamily } from './family-run.ts'
import { type Resolved, serversOf } from './names.ts'
import { type TestedGateway, testPortMapping } from './port-mapping-test.ts'
import { askNobody, testTcp } from './tcp-tests.ts'

/** A name server on the LAN has it, or asks the one that has. */
const NAME_SERVER_MS = 1_000

export interface Found {
  readonly families: readonly FamilyRun[]
  readonly outside: Outside
}

export async function runTests(
  request: ProbeRequest,
  resolved: readonly Resolved[],
  onEvent: (event: NatProbeEvent) => void,
): Promise<Found> {
  const isFull = request.mode === 'full'
  const ipv4Only = isFull && request.families.includes(6) ? askIpv4Only() : undefined
  const first = serversOf(4, resolved)[0]?.endpoint
  const gateway = isFull && first !== undefined ? testGateway(request, first) : undefined
  const tcp = isFull ? testTcp(endpointsOf(request, resolved)) : undefined
  const runs = await Promise.all(
    request.families.map(async (family) => {
      const nat64 = family === 6 ? await nat64PrefixIn(ipv4Only) : undefined
      return await probeFamily(family, request, serversOf(family, resolved, nat64), onEvent)
    }),
  )
  const families = runs.filter((run) => run !== undefined)
  const outside = {
    ...(await reachedBesides(request, resolved, families, tcp)),
    ...asPortMapping(await gateway, families),
    ...(ipv4Only === undefined ? {} : { nat64: nat64Of(await ipv4Only) }),
  }
  return { families, outside }
}

/** The one on the way to the server. */
async function testGateway(
  { families, bind }: ProbeRequest,
  server: Endpoint,
): Promise<TestedGateway | undefined> {
  if (!families.includes(4)) return undefined
  const from = bind?.address ?? (await sourceAddressTowards(server))
  return from === undefined ? undefined : await testPortMapping(server, from)
}

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
