/** What the rest of the server sees of one client's session. */
import type { Endpoint } from '../core/endpoint.ts'
import type { Goodbye, Report, ServerMessage } from '../protocol/server/messages.ts'

type ClientReport = Omit<Report, 'kind' | 'id'>

/** What is known of a session beyond its account; addresses are shown to accepted buddies only, by introductions. */
export interface SessionRecord {
  /** Where the TCP session comes from, as the server sees it. */
  readonly remote: Endpoint
  /** Software and version, in the client's words. */
  readonly client: string
  /** Wall clock, ms since 1970 UTC. */
  readonly connectedAtMs: number
  /** Local addresses, ports and the NAT's behaviour, in the client's words. */
  readonly report?: ClientReport
}

export interface ClientSession {
  readonly record: SessionRecord
  /** Where this client reaches the server's STUN service; the first is the relay's too. None without a UDP service. */
  readonly services: readonly Endpoint[]
  /** Of a ping and its pong; `undefined` until the first pong. */
  readonly roundTripMs: number | undefined
  readonly isOpen: boolean
  send(message: ServerMessage): void
  /** One that is encoded already, because many get the same. */
  sendFrame(frame: Uint8Array): void
  /** Resolves when the next page of a long list may be sent, or the session has ended. */
  mayPage(): Promise<void>
  /** Says goodbye and closes. */
  end(reason: Goodbye['reason'], retryAfterMs?: number, spreadMs?: number): void
}

export function reportOf(message: Report): ClientReport {
  const { localAddresses, publicEndpoints, udpPort, tcpPort, nat } = message
  return {
    localAddresses,
    publicEndpoints,
    udpPort,
    tcpPort,
    ...(nat === undefined ? {} : { nat }),
  }
}
