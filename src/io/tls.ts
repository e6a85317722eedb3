/** TLS 1.3 streams: no older version, no plaintext, a certificate that is pinned or checked against the system's authorities. */
import { once } from 'node:events'
import {
  connect as connectTcp,
  createServer as createTcpServer,
  isIP,
  type Server,
  type Socket,
} from 'node:net'
import {
  connect,
  createSecureContext,
  createServer,
  type SecureContext,
  type TlsOptions,
  type TLSSocket,
} from 'node:tls'
import { certificatePin } from '../crypto/certificate-pin.ts'
import { networkOf } from '../core/address-scope.ts'
import { equalBytes } from '../core/bytes.ts'
import { Crowd, type CrowdMember } from '../core/crowd.ts'
import { type Endpoint, endpoint, type EndpointKey, keyOf } from '../core/endpoint.ts'
import { HollerError } from '../core/holler-error.ts'
import { type SecureStream, secureStream } from './byte-stream.ts'
import { roomForConnections } from './descriptors.ts'
import { HandshakeQueue } from './handshake-queue.ts'
import { connectThroughProxy } from './http-connect.ts'
import type { HttpProxy } from './proxy-environment.ts'
import { useSmallSegments } from './small-segments.ts'
import { TlsTickets } from './tls-tickets.ts'

/** RFC 9266: the label, an empty context, 32 bytes. */
const EXPORTER_LABEL = 'EXPORTER-Channel-Binding'
const EXPORTER_BYTES = 32

/** From accept to the end of the handshake; a peer that needs longer holds a slot for nothing. */
const HANDSHAKE_TIMEOUT_MS = 10_000

/** Handshakes are the expensive part of a connection storm: beyond this many at once, the oldest is closed. */
const MAX_HANDSHAKES = 300

/** …and of one network, whose own oldest is closed: a lab full of machines that all come back at once. */
const MAX_HANDSHAKES_PER_NETWORK = 32

/** `net.core.somaxconn` caps it; a storm of reconnecting clients waits here instead of being refused. */
const BACKLOG = 4096

export interface ConnectTls {
  readonly host: string
  readonly port: number
  /** SHA-256 of the server key's SubjectPublicKeyInfo; without it the system's authorities decide. */
  readonly pin?: Uint8Array
  readonly alpn: string
  /** For all of it. */
  readonly timeoutMs: number
  /** Until TCP stands, through the proxy where there is one; when absent, there is no such limit beside the whole. */
  readonly reachMs?: number
  readonly proxy?: HttpProxy
  /** Where what servers give to come back by is kept; without it, in the process's own place. */
  readonly tickets?: TlsTickets
}

/**
 * Connects, through a proxy where one is named, and completes the handshake with the server itself.
 *
 * @throws HollerError `SERVER_UNREACHABLE` when nothing answers, `CERTIFICATE_REJECTED` when the wrong server does.
 */
export async function connectTls(wanted: ConnectTls): Promise<SecureStream> {
  const where = `${wanted.host}:${wanted.port}`
  const signal = AbortSignal.timeout(wanted.timeoutMs)
  const { tickets = ownTickets } = wanted
  const carrier = await carrierTo(wanted, where, signal)
  const ticket = tickets.take(wanted)
  const socket = connect({
    socket: carrier,
    secureContext: clientContext(),
    ...(isIP(wanted.host) === 0 ? { servername: wanted.host } : {}),
    ALPNProtocols: [wanted.alpn],
    rejectUnauthorized: wanted.pin === undefined,
    ...(ticket === undefined ? {} : { session: ticket }),
  })
  const given: Buffer[] = [] // by a server that is not known to be the right one yet
  socket.on('session', (next: Buffer) => given.push(next))
  try {
    await once(socket, 'secureConnect', { signal })
  } catch (error) {
    socket.on('error', () => undefined)
    socket.destroy()
    carrier.destroy()
    throw connectError(where, error)
  }
  socket.setNoDelay(true) // what is written are whole messages and datagrams: nothing is gained by waiting
  // A resumed session has no certificate: its ticket is of one whose pin was right.
  const isPinRight =
    wanted.pin === undefined || socket.isSessionReused() || equalBytes(pinOf(socket), wanted.pin)
  if (!isPinRight) {
    socket.destroy()
    throw new HollerError(
      'CERTIFICATE_REJECTED',
      `The server at "${where}" does not have the key that its link names`,
    )
  }
  if (socket.alpnProtocol !== wanted.alpn) {
    socket.destroy()
    throw new HollerError('SERVER_UNREACHABLE', `The server at "${where}" does not speak holler`)
  }
  for (const each of given) tickets.keep(wanted, each)
  socket.removeAllListeners('session')
  socket.on('session', (next: Buffer) => tickets.keep(wanted, next))
  return asSecureStream(socket)
}

const ownTickets = new TlsTickets()

let sharedContext: SecureContext | undefined

/** One for all connections of the process: to read the system's authorities anew for each costs more than a handshake. */
function clientContext(): SecureContext {
  sharedContext ??= createSecureContext({ minVersion: 'TLSv1.3' })
  return sharedContext
}

/** TCP alone first: where nobody listens, nothing of TLS is made in vain. */
async function carrierTo(
  { host, port, proxy, reachMs }: ConnectTls,
  where: string,
  whole: AbortSignal,
): Promise<Socket> {
  const signal =
    reachMs === undefined ? whole : AbortSignal.any([whole, AbortSignal.timeout(reachMs)])
  if (proxy !== undefined) {
    try {
      return await connectThroughProxy(proxy, { host, port }, signal)
    } catch (error) {
      throw connectError(`${where}" through the proxy "${proxy.host}:${proxy.port}`, error)
    }
  }
  const socket = connectTcp({ host, port })
  try {
    await once(socket, 'connect', { signal })
    return socket
  } catch (error) {
    socket.on('error', () => undefined)
    socket.destroy()
    throw connectError(where, error)
  }
}

export interface TicketSettings {
  /** 48 bytes: a name, an HMAC key and an AES key. */
  readonly keys: Uint8Array
  /** For how long a client can come back by a ticket; at most a week (RFC 8446 §4.6.1). */
  readonly lifeMs: number
}

export interface ListenTls {
  readonly address: string
  readonly port: number
  readonly certificatePem: string
  readonly keyPem: string
  readonly alpn: readonly string[]
  /** Kept by whoever wants clients to resume after a restart. */
  readonly tickets?: TicketSettings
  /** Whoever comes waits until `admit` is called: for a server that is not ready yet. */
  readonly isHeld?: boolean
  readonly onStream: (stream: SecureStream, alpn: string) => void
}

export interface TlsListener {
  readonly local: Endpoint
  /** Lets those in who were held. */
  admit(): void
  /** For handshakes from now on. @throws when the two do not belong together. */
  setCertificate(pem: Pick<ListenTls, 'certificatePem' | 'keyPem'>): void
  /** For tickets from now on; those of older keys lead to a whole handshake. */
  setTicketKeys(keys: Uint8Array): void
  /** Stops accepting. Streams that stand are their owners' business. */
  close(): Promise<void>
}

/** @throws HollerError `PORT_TAKEN`, or `CONFIG_INVALID` for an address that is not this machine's. */
export async function listenTls(options: ListenTls): Promise<TlsListener> {
  const server = createServer({
    ...contextOf(options),
    ...(options.tickets && { ticketKeys: Buffer.from(options.tickets.keys) }),
    // Named one by one instead, the protocols would be copied for each connection, into memory that it keeps: 4 KiB.
    ALPNCallback: ({ protocols }) => options.alpn.find((known) => protocols.includes(known)),
    handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
  })
  const queue = new HandshakeQueue((socket) => server.emit('connection', socket), options)
  limitHandshakes(server, (socket) => queue.ended(socket))
  const listener = createTcpServer({ noDelay: true, pauseOnConnect: true }, (socket) => {
    socket.on('error', () => undefined) // it is closed then; once its handshake has begun, TLS tells
    queue.add(socket, networkOf(remoteOf(socket)))
  })
  const most = roomForConnections()
  if (most !== undefined) listener.maxConnections = most // those beyond are closed at once, and try again
  server.on('secureConnection', (socket) => {
    // Without a common ALPN protocol OpenSSL has refused already; a client that offers none is refused here.
    if (typeof socket.alpnProtocol !== 'string') socket.destroy()
    else options.onStream(asSecureStream(socket), socket.alpnProtocol)
  })
  server.on('tlsClientError', (_error, socket) => socket.destroy())
  listener.listen({ host: options.address, port: options.port, backlog: BACKLOG })
  try {
    await once(listener, 'listening')
  } catch (error) {
    throw listenError(options, error)
  }
  useSmallSegments(listener) // where it cannot be had, only those behind a black hole miss it
  listener.on('error', () => undefined) // EMFILE while accepting: those clients try again
  return {
    local: endpointOf(listener.address()),
    admit: () => {
      queue.admit()
    },
    setCertificate: (pem) => {
      const keys = server.getTicketKeys() // a new context would begin with those of the start
      server.setSecureContext(contextOf({ ...options, ...pem }))
      server.setTicketKeys(keys)
    },
    setTicketKeys: (keys) => {
      server.setTicketKeys(Buffer.from(keys))
    },
    close: () => {
      queue.close()
      return closed(listener)
    },
  }
}

function contextOf({ certificatePem, keyPem, tickets }: ListenTls): TlsOptions {
  return {
    cert: certificatePem,
    key: keyPem,
    minVersion: 'TLSv1.3',
    ...(tickets && { sessionTimeout: tickets.lifeMs / 1000 }),
    // By default a hash of the command line: a server that was started with another flag would take no ticket.
    sessionIdContext: 'holler',
  }
}

function limitHandshakes(
  server: ReturnType<typeof createServer>,
  onEnd: (socket: Socket) => void,
): void {
  const crowd = new Crowd({
    most: MAX_HANDSHAKES,
    mostPerNetwork: MAX_HANDSHAKES_PER_NETWORK,
    why: 'too many handshakes',
  })
  // Those in the crowd. The TLS socket hides the TCP one; both have the same remote address and port.
  const handshaking = new Map<EndpointKey, CrowdMember & { readonly socket: Socket }>()
  const done = (remote: Endpoint): void => {
    const member = handshaking.get(keyOf(remote))
    if (member === undefined) return
    handshaking.delete(keyOf(remote))
    crowd.leave(member)
    onEnd(member.socket)
  }
  server.on('connection', (socket: Socket) => {
    const remote = remoteOf(socket)
    socket.once('close', () => done(remote))
    const member = { remote, socket, cut: () => socket.destroy() }
    handshaking.set(keyOf(remote), member)
    crowd.enter(member)
  })
  server.on('secureConnection', (socket: TLSSocket) => done(remoteOf(socket)))
}

async function closed(server: Server): Promise<void> {
  await new Promise<void>((resolve) => {
    server.close(() => resolve())
  })
}

function asSecureStream(socket: TLSSocket): SecureStream {
  return secureStream(socket, {
    exporter: socket.exportKeyingMaterial(EXPORTER_BYTES, EXPORTER_LABEL, Buffer.alloc(0)),
    local: endpointOf({ address: socket.localAddress, port: socket.localPort }),
    remote: remoteOf(socket),
    isResumed: socket.isSessionReused(),
  })
}

function pinOf(socket: TLSSocket): Uint8Array {
  const certificate = socket.getPeerX509Certificate()
  if (certificate === undefined) return new Uint8Array(0)
  return certificatePin(certificate.toString()) ?? new Uint8Array(0)
}

function remoteOf({ remoteAddress, remotePort }: Socket): Endpoint {
  return endpointOf({ address: remoteAddress, port: remotePort })
}

function endpointOf(address: unknown): Endpoint {
  const { address: host, port } = address as { address?: string; port?: number }
  const result = endpoint(host ?? '0.0.0.0', port ?? 0) // a socket that closed meanwhile has no address any more
  if (!result.ok) throw new Error(`The system names an address "${String(host)}": ${result.why}`)
  return result.value
}

/** What OpenSSL says when it is the certificate that failed, by the prefix of its codes. */
const CERTIFICATE_CODES =
  /^(CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|ERR_TLS_CERT_ALTNAME_INVALID|INVALID_CA|HOSTNAME_MISMATCH)/

function connectError(where: string, error: unknown): HollerError {
  const { code, name, message } = error as NodeJS.ErrnoException
  if (code !== undefined && CERTIFICATE_CODES.test(code)) {
    return new HollerError(
      'CERTIFICATE_REJECTED',
      `The certificate of the server at "${where}" is not trusted: ${message}`,
      { cause: error },
    )
  }
  const why = name === 'AbortError' ? 'no answer in time' : (code ?? message)
  return new HollerError('SERVER_UNREACHABLE', `Cannot reach the server at "${where}": ${why}`, {
    cause: error,
  })
}

function listenError(options: ListenTls, error: unknown): HollerError {
  const { code, message } = error as NodeJS.ErrnoException
  const where = `${options.address}:${options.port}`
  if (code === 'EADDRINUSE') {
    return new HollerError('PORT_TAKEN', `Cannot listen on TCP ${where}: already in use`, {
      cause: error,
    })
  }
  return new HollerError('CONFIG_INVALID', `Cannot listen on TCP ${where}: ${code ?? message}`, {
    cause: error,
  })
}
