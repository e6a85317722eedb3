import { HollerError } from '../core/holler-error.ts'
import { type Environment, proxyFor } from '../io/proxy-environment.ts'
import { connectTls } from '../io/tls.ts'
import type { ServerLinkAddress } from '../protocol/server/link.ts'
import type { ConnectServer } from './server-session.ts'

/** TCP over a bad mobile network, questions repeated after 1, 3 and 7 s; beyond it the next attempt is more likely to succeed. */
const REACH_MS = 10_000

/**
 * A server that was started again accepts its whole community and lets it wait. Who gave up would come back to wait anew,
 * and both sides' work would have been for nothing.
 */
const CONNECT_MS = 30_000

/**
 * TLS 1.3 to a server, checked against its link's pin or the system's authorities, through the proxy that the environment
 * names for it, if any. `alpn` says what is spoken there: the session or the relay.
 */
export function serverConnector(alpn: string, environment: Environment = {}): ConnectServer {
  return async (address) => {
    const choice = proxyFor(environment, address.host, address.port)
    if (choice.kind === 'unusable') {
      throw new HollerError(
        'SERVER_UNREACHABLE',
        `The proxy that the environment names cannot be used: ${choice.why}`,
      )
    }
    const proxy = choice.kind === 'proxy' ? { proxy: choice.proxy } : {}
    const limits = { reachMs: REACH_MS, timeoutMs: CONNECT_MS }
    return await connectTls({ ...address, ...proxy, ...limits, alpn })
  }
}

/** Which proxy that is, to be shown. */
export function shownProxy(
  { host, port }: ServerLinkAddress,
  environment: Environment,
): string | undefined {
  const choice = proxyFor(environment, host, port)
  return choice.kind === 'proxy' ? `${choice.proxy.host}:${choice.proxy.port}` : undefined
}
