/** Which client speaks which protocol, and with whom it can be spoken. */
import type { Random } from '../../core/random.ts'
import { DatagramClient } from './datagram-client.ts'
import type {
  MappingClient,
  MappingRecord,
  Mechanism,
  UnavailableReason,
  WantedMapping,
} from './mapping-client.ts'
import { NatPmpDialect } from './nat-pmp-dialect.ts'
import { PcpDialect } from './pcp-dialect.ts'
import { UpnpClient } from './upnp-client.ts'

export interface MapRequest extends WantedMapping {
  readonly protocol: 'udp'
  /** What earlier lives of the daemon wrote down and did not cross out. */
  readonly leftovers?: readonly MappingRecord[]
}

export interface ClientOptions {
  readonly request: MapRequest
  /** PCP's, in hexadecimal. */
  readonly nonce: string
  readonly random: Random
  readonly nextHttpId: () => number
}

/** Of a process that died in the middle, again and again. */
const MAX_LEFTOVERS = 8

/** A client, or why there can be none. */
export function makeClient(
  by: Mechanism,
  { request, nonce, random, nextHttpId }: ClientOptions,
): MappingClient | UnavailableReason {
  const { gateway, localAddress, localPort, leftovers: all = [] } = request
  const leftovers = all.slice(0, MAX_LEFTOVERS)
  if (gateway?.family === 6 && by !== 'pcp') return 'wrong-family'
  if (by === 'upnp') return new UpnpClient({ wanted: request, random, nextHttpId, leftovers })
  if (gateway === undefined) return 'no-gateway'
  const dialect =
    by === 'pcp'
      ? new PcpDialect({ localAddress, localPort, nonce, random })
      : new NatPmpDialect({ localPort })
  return new DatagramClient({ gateway, dialect, leftovers })
}
