/** Which TCP ports of the servers are reached, and whether somebody answers in the name of addresses that nobody has. */
import type { Endpoint } from '../../core/endpoint.ts'
import { fetchHttp } from '../../io/http-fetch.ts'
import { reachTcp } from '../../io/tcp-reach.ts'
import { DEFAULT_SERVER_PORT } from '../../protocol/server/link.ts'
import type { NobodysAnswer, TcpAnswer } from '../outside.ts'

/** Beyond the second transmission of a SYN (RFC 6298: 1 s). */
const TCP_MS = 2_500

/** HTTPS and HTTP, which hardly any network forbids; and the port of a holler server's sessions. */
const PORTS = [443, 80, DEFAULT_SERVER_PORT] as const

/** Servers beyond these tell no more. */
const MAX_SERVERS = 4

/** RFC 5737 and RFC 3849: addresses for documentation. What is sent there is dropped by the first router that knows it. */
const NOBODY = ['192.0.2.1', '2001:db8::1'] as const

export async function testTcp(servers: readonly Endpoint[]): Promise<readonly TcpAnswer[]> {
  const targets = servers
    .slice(0, MAX_SERVERS)
    .flatMap((server) =>
      [...new Set<number>([...PORTS, server.port])].map((port): Endpoint => ({ ...server, port })),
    )
  return await Promise.all(
    targets.map(async (server) => ({ server, outcome: await reachTcp(server, TCP_MS) })),
  )
}

export async function askNobody(families: readonly (4 | 6)[]): Promise<readonly NobodysAnswer[]> {
  const asked = NOBODY.filter((address) => families.includes(address.includes(':') ? 6 : 4))
  return await Promise.all(
    asked.map(async (address) => ({ address, status: await httpStatus(address) })),
  )
}

async function httpStatus(address: string): Promise<number | undefined> {
  const host = address.includes(':') ? `[${address}]` : address
  const request = { method: 'GET', headers: {}, body: new Uint8Array() } as const
  const limits = { timeoutMs: TCP_MS, bodyBytes: 256 * 1024 }
  const outcome = await fetchHttp({ ...request, url: `http://${host}/generate_204` }, limits)
  return outcome.kind === 'answered' ? outcome.status : undefined
}
