import { connectTls } from '../io/tls.ts'
import { RELAY_ALPN } from '../protocol/relay/frames.ts'
import { SESSION_ALPN } from '../protocol/server/link.ts'
import type { ConnectServer } from './server-session.ts'

/** TCP and TLS over a bad mobile network; beyond it the next attempt is more likely to succeed. */
const CONNECT_MS = 10_000

/** TLS 1.3 to a server, checked against its link's pin or the system's authorities. */
export const connectServer: ConnectServer = async (address) =>
  await connectTls({ ...address, alpn: SESSION_ALPN, timeoutMs: CONNECT_MS })

/** The relay inside TLS, on the same port. */
export const connectRelay: ConnectServer = async (address) =>
  await connectTls({ ...address, alpn: RELAY_ALPN, timeoutMs: CONNECT_MS })
