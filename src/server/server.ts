/**
 * One server process: opens what it needs in an order in which nothing is promised before it works, and closes it in
 * the reverse one. Whoever comes before all of it stands waits at the entrance. What the server does is in `switchboard.ts` (TCP) and `udp-service.ts` (UDP).
 */
import type { Endpoint } from '../core/endpoint.ts'
import { formatEndpoint } from '../core/endpoint.ts'
import type { Random } from '../core/random.ts'
import { type Identity, identityFromSeed } from '../crypto/identity.ts'
import type { SecureStream } from '../io/byte-stream.ts'
import { RELAY_ALPN } from '../protocol/relay/frames.ts'
import { formatServerLink, SESSION_ALPN } from '../protocol/server/link.ts'
import { formatTicketKey, type RelayLink } from '../protocol/relay/link.ts'
import { Accounts } from './accounts.ts'
import { advertisedUdp } from './advertised.ts'
import type { GivenCertificate } from './certificate.ts'
import { DataDirectory, LINK_FILE, TICKET_KEY_FILE } from './data-directory.ts'
import { Entrance } from './entrance.ts'
import { addressesOf, type HostPort } from './host-port.ts'
import { LoginThrottle } from './login-throttle.ts'
import { Metrics } from './metrics.ts'
import { openStore } from './open-store.ts'
import { Operation } from './operation.ts'
import { RelayMap } from './relay-map.ts'
import { RelayTickets } from './relay-tickets.ts'
import { ResumeTickets } from './resume-tickets.ts'
import { ServerTime } from './server-time.ts'
import {
  CLOSE_WITHIN_MS,
  hostOf,
  identityOf,
  type ListeningOptions,
  noLongerThan,
  type Opened,
  opening,
  openUdp,
  outsideOf,
  serveUdp,
} from './startup.ts'
import { measuredStore } from './store/measured-store.ts'
import type { ServerStore } from './store/server-store.ts'
import { StunWitness } from './stun-witness.ts'
import { Switchboard } from './switchboard.ts'

export interface ServerOptions extends ListeningOptions {
  /** Relays elsewhere, which take this server's tickets. */
  readonly relays?: readonly RelayLink[]
  readonly isRegistrationOpen: boolean
  /** Instead of the one that the server makes for itself. */
  readonly certificate?: GivenCertificate
  /** HTTP for Prometheus and health checks; none when absent. */
  readonly metrics?: HostPort
  /** Where administration is served; nowhere when absent. */
  readonly adminSocket?: string
  /** The server's own, for administrators. */
  readonly version?: string
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
  return await opening((opened) => start(options, opened))
}

async function start(options: ServerOptions, opened: Opened): Promise<RunningServer> {
  const { clock, random, logger } = options
  const directory = new DataDirectory(options.dataDirectory)
  const metrics = new Metrics()
  await directory.prepare()
  const outside = outsideOf(options)
  const storeAtStart = await openStore(directory, { clock, logger })
  opened.add(() => storeAtStart.close())
  const entrance = await Entrance.open({
    listen: options.listen,
    identity: await identityOf(options.certificate, directory, clock),
    alpn: [SESSION_ALPN, RELAY_ALPN],
    ...{ directory, outside },
  })
  opened.add(async () => {
    void entrance.close() // the port is free at once; whose streams stand is waited for below
    await Promise.resolve()
  })
  const store = await storeAtStart.ready((kept) =>
    measuredStore(kept, clock, (operation, ms) => metrics.storeDone(operation, ms)),
  )
  let { isRegistrationOpen } = options
  const relayKeys = await relayKeysOf(store, random)

  const udpSockets = await openUdp(options, opened)
  const witness = new StunWitness(random.bytes(32))
  const time = new ServerTime(clock)
  let isHome: (address: string) => boolean = () => false // nobody is logged in yet
  const mayDelay = ({ address }: Endpoint): boolean => isHome(address)
  const { door, service } = serveUdp(udpSockets, {
    mayDelay,
    witness,
    time,
    relay: { relayId: relayKeys.relayId, ticketKeys: [relayKeys.signer.publicKey] },
    options,
    opened,
  })

  const udp = [...udpSockets.sockets.values()].map((socket) => socket.local)
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
    relays: await RelayMap.of(relayKeys.relayId, options.relays ?? []),
  })
  isHome = (address) => switchboard.isHome(address)
  opened.add(async () => {
    const closed = entrance.close() // resolves when the last stream has closed
    switchboard.close()
    door.close()
    await noLongerThan(clock, CLOSE_WITHIN_MS, closed)
  })
  await switchboard.open()
  const tcp = entrance.local
  const { pin } = entrance.identity
  const link = formatServerLink({
    host: hostOf(options, tcp),
    port: tcp.port,
    ...(pin === undefined ? {} : { pin }),
  })
  await directory.write(LINK_FILE, `${link}\n`)
  await directory.write(TICKET_KEY_FILE, `${formatTicketKey(relayKeys.signer.publicKey)}\n`)
  const operation = await Operation.open({
    store,
    switchboard,
    outside,
    link,
    version: options.version ?? '',
    udpStats: () => service.stats,
    isRegistrationOpen: () => isRegistrationOpen,
    metrics,
    certificateEndsAtMs: () => entrance.identity.notAfterMs,
    stopAccepting: () => void entrance.close(), // its end is waited for when everything ends
    ...(options.adminSocket === undefined ? {} : { adminSocket: options.adminSocket }),
    ...(options.metrics === undefined ? {} : { metricsAt: options.metrics }),
  })
  opened.add(() => operation.close())
  entrance.admit((stream, alpn) => {
    switchboard.tally.add('handshakes', stream.channel.isResumed ? 'resumed' : 'whole')
    if (alpn === RELAY_ALPN) door.accept(stream)
    else switchboard.accept(stream)
  })
  logger.info('listening', { tcp: formatEndpoint(tcp), udp: udp.map(formatEndpoint) })
  return {
    link,
    tcp,
    udp,
    ...(operation.metricsAt === undefined ? {} : { metrics: operation.metricsAt }),
    reload: async (settings) => {
      if (settings.certificate !== undefined) await entrance.takeCertificate(settings.certificate)
      isRegistrationOpen = settings.isRegistrationOpen
    },
    drained: operation.drained,
    close: () => opened.close(),
  }
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
