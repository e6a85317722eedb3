/**
 * One server process: opens what it needs in an order in which nothing is promised before it works, and closes it in
 * the reverse one. What the server does is in `switchboard.ts` (TCP) and `udp-service.ts` (UDP).
 */
import type { Clock } from '../core/clock.ts'
import type { Endpoint } from '../core/endpoint.ts'
import { formatEndpoint } from '../core/endpoint.ts'
import { after } from '../core/instant.ts'
import type { Logger } from '../core/logger.ts'
import type { Random } from '../core/random.ts'
import { type Identity, identityFromSeed } from '../crypto/identity.ts'
import { Alarm } from '../io/alarm.ts'
import type { SecureStream } from '../io/byte-stream.ts'
import { drive } from '../io/drive.ts'
import { hostAddresses } from '../io/host-addresses.ts'
import { listenTls } from '../io/tls.ts'
import { RELAY_ALPN } from '../protocol/relay/frames.ts'
import { formatServerLink, SESSION_ALPN } from '../protocol/server/link.ts'
import { BindingServer } from '../stun/binding-server.ts'
import { Accounts } from './accounts.ts'
import { advertisedUdp, linkHost } from './advertised.ts'
import {
  type GivenCertificate,
  givenTlsIdentity,
  tlsIdentity,
  type TlsIdentity,
} from './certificate.ts'
import { DataDirectory, LINK_FILE } from './data-directory.ts'
import { addressesOf, type HostPort, resolveHostPort } from './host-port.ts'
import { LoginThrottle } from './login-throttle.ts'
import { Metrics } from './metrics.ts'
import { openStore } from './open-store.ts'
import { Operation } from './operation.ts'
import type { Outside } from './outside.ts'
import { RelayDoor } from './relay-door.ts'
import { RelayTickets } from './relay-tickets.ts'
import { Relay } from './relay.ts'
import { ResumeTickets } from './resume-tickets.ts'
import { ServerTime } from './server-time.ts'
import { measuredStore } from './store/measured-store.ts'
import type { ServerStore } from './store/server-store.ts'
import { StunWitness } from './stun-witness.ts'
import { Switchboard } from './switchboard.ts'
import { UdpService } from './udp-service.ts'
import { closeAll, type NamedSockets, openExtraSockets, openUdpSockets } from './udp-sockets.ts'

/** Goodbyes leave within it; a client that does not read is not waited for longer. */
const CLOSE_WITHIN_MS = 6_000

export interface ServerOptions {
  readonly dataDirectory: string
  readonly listen: HostPort
  readonly udp: HostPort
  readonly udpAlternate?: HostPort
  /** Further UDP ports on the address of `udp`, for those whose firewall lets only these out. */
  readonly udpEgress?: readonly number[]
  /** What clients are told to connect to, where that is not what the machine itself knows. */
  readonly publicHost?: string
  readonly isRegistrationOpen: boolean
  /** Instead of the one that the server makes for itself. */
  readonly certificate?: GivenCertificate
  /** HTTP for Prometheus and health checks; none when absent. */
  readonly metrics?: HostPort
  /** Where administration is served; nowhere when absent. */
  readonly adminSocket?: string
  /** The server's own, for administrators. */
  readonly version?: string
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

/** What a running server can take anew. */
export type Reloaded = Pick<ServerOptions, 'isRegistrationOpen' | 'certificate'>

export interface RunningServer {
  /** `holler://HOST:PORT?pin=sha256-…` */
  readonly link: string
  readonly tcp: Endpoint
  readonly udp: readonly Endpoint[]
  readonly metrics?: Endpoint
  /** Certificate files are read again. @throws HollerError `CONFIG_INVALID`, and everything stays as it was. */
  reload(settings: Reloaded): Promise<void>
  /** Resolves when an administrator has drained the server: it is to be closed then. */
  readonly drained: Promise<void>
  /** Says goodbye to everybody, and lets go of everything. */
  close(): Promise<void>
}

/** @throws HollerError `STORE_UNUSABLE`, `ALREADY_RUNNING`, `PORT_TAKEN`, `CONFIG_INVALID`; nothing stays open then. */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const opened = new Opened()
  try {
    return await start(options, opened)
  } catch (error) {
    await opened.close()
    throw error
  }
}

async function start(options: ServerOptions, opened: Opened): Promise<RunningServer> {
  const { clock, random, logger } = options
  const directory = new DataDirectory(options.dataDirectory)
  const metrics = new Metrics()
  await directory.prepare()
  const store = await openStore(directory, {
    clock,
    logger,
    wrap: (kept) => measuredStore(kept, clock, (operation, ms) => metrics.storeDone(operation, ms)),
  })
  opened.add(() => store.close())
  let tls = await identityOf(options.certificate, directory, clock)
  let { isRegistrationOpen } = options
  const relayKeys = await relayKeysOf(store, random)
  const outside = outsideOf(options)

  const sockets = await openUdp(options)
  opened.add(() => closeAll(sockets))
  const extra = await openExtraSockets([...sockets.values()], options.udpEgress ?? [])
  opened.add(() => closeAll(extra))
  const witness = new StunWitness(random.bytes(32))
  const time = new ServerTime(clock)
  let isHome: (address: string) => boolean = () => false // nobody is logged in yet
  const mayDelay = ({ address }: Endpoint): boolean => isHome(address)
  const { door, service } = serveUdp(sockets, {
    extra,
    mayDelay,
    witness,
    time,
    relayKeys,
    options,
    opened,
  })

  const udp = [...sockets.values()].map((socket) => socket.local)
  const publicAddresses =
    options.publicHost === undefined ? [] : await addressesOf(options.publicHost)
  const switchboard = new Switchboard({
    store,
    outside,
    accounts: new Accounts({
      store,
      outside,
      throttle: new LoginThrottle(),
      tickets: new ResumeTickets(await store.secret('resume-tickets', () => random.bytes(32))),
      unknownAccountSecret: await store.secret('unknown-accounts', () => random.bytes(32)),
      isRegistrationOpen: () => isRegistrationOpen,
    }),
    servicesFor: ({ channel }: SecureStream) => advertisedUdp(udp, channel, publicAddresses),
    isWitnessed: (now, endpoint) => witness.has(now, endpoint),
    tickets: new RelayTickets({ ...relayKeys, time }),
  })
  isHome = (address) => switchboard.isHome(address)
  opened.add(async () => {
    switchboard.close()
    await Promise.resolve()
  })
  await switchboard.open()
  const wanted = await resolveHostPort(options.listen)
  const listener = await listenTls({
    address: wanted.address,
    port: wanted.port,
    certificatePem: tls.certificatePem,
    keyPem: tls.keyPem,
    alpn: [SESSION_ALPN, RELAY_ALPN],
    onStream: (stream, alpn) => {
      if (alpn === RELAY_ALPN) door.accept(stream)
      else switchboard.accept(stream)
    },
  })
  opened.add(async () => {
    const closed = listener.close() // resolves when the last stream has closed
    switchboard.close()
    door.close()
    await noLongerThan(clock, CLOSE_WITHIN_MS, closed)
  })
  const tcp = listener.local
  const link = formatServerLink({
    host: hostOf(options, tcp),
    port: tcp.port,
    ...(tls.pin === undefined ? {} : { pin: tls.pin }),
  })
  await directory.write(LINK_FILE, `${link}\n`)
  const operation = await Operation.open({
    store,
    switchboard,
    outside,
    link,
    version: options.version ?? '',
    udpStats: () => service.stats,
    isRegistrationOpen: () => isRegistrationOpen,
    metrics,
    certificateEndsAtMs: () => tls.notAfterMs,
    stopAccepting: () => void listener.close(), // its end is waited for when everything ends
    ...(options.adminSocket === undefined ? {} : { adminSocket: options.adminSocket }),
    ...(options.metrics === undefined ? {} : { metricsAt: options.metrics }),
  })
  opened.add(() => operation.close())
  logger.info('listening', { tcp: formatEndpoint(tcp), udp: udp.map(formatEndpoint) })
  return {
    link,
    tcp,
    udp,
    ...(operation.metricsAt === undefined ? {} : { metrics: operation.metricsAt }),
    reload: async (settings) => {
      if (settings.certificate !== undefined) {
        tls = await givenTlsIdentity(settings.certificate)
        listener.setCertificate(tls)
      }
      isRegistrationOpen = settings.isRegistrationOpen
    },
    drained: operation.drained,
    close: () => opened.close(),
  }
}

async function identityOf(
  given: GivenCertificate | undefined,
  directory: DataDirectory,
  clock: Clock,
): Promise<TlsIdentity> {
  return given === undefined
    ? await tlsIdentity(directory, clock.wallNow())
    : await givenTlsIdentity(given)
}

interface RelayKeys {
  readonly signer: Identity
  readonly relayId: Uint8Array
}

async function relayKeysOf(store: ServerStore, random: Random): Promise<RelayKeys> {
  const seed = await store.secret('relay-ticket-key', () => random.bytes(32))
  const relayId = await store.secret('relay-id', () => random.bytes(8))
  return { signer: identityFromSeed(seed), relayId }
}

async function openUdp({ udp, udpAlternate }: ServerOptions): Promise<NamedSockets> {
  const main = await resolveHostPort(udp)
  if (udpAlternate === undefined) return await openUdpSockets(main)
  return await openUdpSockets(main, await resolveHostPort(udpAlternate))
}

interface UdpParts {
  readonly extra: NamedSockets
  readonly mayDelay: (from: Endpoint) => boolean
  readonly witness: StunWitness
  readonly time: ServerTime
  readonly relayKeys: RelayKeys
  readonly options: ServerOptions
  readonly opened: Opened
}

/** Starts STUN and relay; by the door come those who reach the relay over TLS alone. */
function serveUdp(
  sockets: NamedSockets,
  { extra, mayDelay, witness, time, relayKeys, options, opened }: UdpParts,
): { readonly door: RelayDoor; readonly service: UdpService } {
  const { clock, random } = options
  const stun = new BindingServer({
    sockets: [
      ...[...sockets].map(([id, { local }]) => ({ id, endpoint: local })),
      ...[...extra].map(([id, { local }]) => ({ id, endpoint: local, isExtra: true }) as const),
    ],
    mayDelay,
  })
  const relay = new Relay({
    relayId: relayKeys.relayId,
    ticketKey: relayKeys.signer.publicKey,
    cookieSecret: random.bytes(32),
    random,
    time,
  })
  const service = new UdpService({ stun, relay, witness })
  const driver = drive(service, {
    clock,
    sockets: { primary: [], named: new Map([...sockets, ...extra]) },
    onEvent: (event, now) => door.handleEvent(event, now),
  })
  const door = new RelayDoor({ service, driver, outside: outsideOf(options) })
  opened.add(() => {
    driver.stop()
    return Promise.resolve()
  })
  return { door, service }
}

function outsideOf({ clock, random, logger }: ServerOptions): Outside {
  return { clock, random, logger, makeAlarm: (onDue) => new Alarm(clock, onDue) }
}

function hostOf({ publicHost, listen }: ServerOptions, listening: Endpoint): string {
  return linkHost({
    ...(publicHost === undefined ? {} : { publicHost }),
    listenHost: listen.host,
    listening,
    hostAddresses: hostAddresses(),
  })
}

/** What has been opened so far, closed in the reverse order. */
class Opened {
  readonly #closers: (() => Promise<void>)[] = [] // one for each thing that `start` opens

  add(close: () => Promise<void>): void {
    this.#closers.push(close)
  }

  async close(): Promise<void> {
    for (let close = this.#closers.pop(); close !== undefined; close = this.#closers.pop()) {
      await close()
    }
  }
}

async function noLongerThan(clock: Clock, ms: number, work: Promise<void>): Promise<void> {
  let alarm: Alarm | undefined
  const timeout = new Promise<void>((resolve) => {
    alarm = new Alarm(clock, () => resolve())
    alarm.set(after(clock.now(), ms))
  })
  await Promise.race([work, timeout])
  alarm?.clear()
}
