/**
 * `holler-server --role relay`: STUN and the relay alone, somewhere nearer to its users than the server that introduces
 * them. It keeps nothing but its own key and certificate, knows nobody, and takes the tickets of the servers that its
 * operator trusts.
 */
import { formatEndpoint } from '../core/endpoint.ts'
import { HollerError } from '../core/holler-error.ts'
import { certificatePin } from '../crypto/certificate-pin.ts'
import { RELAY_ALPN } from '../protocol/relay/frames.ts'
import { formatRelayLink, relayIdOf } from '../protocol/relay/link.ts'
import type { GivenCertificate } from './certificate.ts'
import { DataDirectory, LINK_FILE } from './data-directory.ts'
import { Entrance } from './entrance.ts'
import type { HostPort } from './host-port.ts'
import { RelayOperation } from './relay-operation.ts'
import type { RunningServer } from './server.ts'
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
import { StunWitness } from './stun-witness.ts'
import { Tally } from './tally.ts'

export interface RelayServerOptions extends ListeningOptions {
  /** Ed25519 public keys of the servers whose tickets it takes. */
  readonly trusted: readonly Uint8Array[]
  readonly certificate?: GivenCertificate
  /** HTTP for Prometheus and health checks; none when absent. */
  readonly metrics?: HostPort
  /** Where administration is served; nowhere when absent. */
  readonly adminSocket?: string
  /** The relay's own, for administrators. */
  readonly version?: string
}

/** @throws HollerError `STORE_UNUSABLE`, `PORT_TAKEN`, `CONFIG_INVALID`; nothing stays open then. */
export async function startRelay(options: RelayServerOptions): Promise<RunningServer> {
  return await opening((opened) => start(options, opened))
}

async function start(options: RelayServerOptions, opened: Opened): Promise<RunningServer> {
  const { clock, random, logger } = options
  const directory = new DataDirectory(options.dataDirectory)
  await directory.prepare()
  const outside = outsideOf(options)
  const identity = await identityOf(options.certificate, directory, clock)
  const pin = identity.pin ?? certificatePin(identity.certificatePem)
  if (pin === undefined) throw new HollerError('CONFIG_INVALID', 'The certificate has no key')
  const udpSockets = await openUdp(options, opened)
  const tally = new Tally()
  const { door, service } = serveUdp(udpSockets, {
    mayDelay: () => false, // for those who are logged in, and here nobody is
    witness: new StunWitness(random.bytes(32)),
    time: new ServerTime(clock),
    relay: { relayId: relayIdOf(pin), ticketKeys: options.trusted },
    options,
    opened,
  })
  const entrance = await Entrance.open({
    listen: options.listen,
    alpn: [RELAY_ALPN],
    ...{ identity, directory, outside },
  })
  opened.add(async () => {
    const closed = entrance.close()
    door.close()
    await noLongerThan(clock, CLOSE_WITHIN_MS, closed)
  })
  const tcp = entrance.local
  const udp = [...udpSockets.sockets.values()].map(({ local }) => local)
  const host = hostOf(options, tcp)
  const link = formatRelayLink({ host, port: tcp.port, udpPort: udp[0]?.port ?? 0, pin })
  await directory.write(LINK_FILE, `${link}\n`)
  const operation = await RelayOperation.open({
    outside,
    link,
    version: options.version ?? '',
    tally,
    udpStats: () => service.stats,
    certificateEndsAtMs: () => entrance.identity.notAfterMs,
    stopAccepting: () => {
      service.drainRelay()
      void entrance.close() // its end is waited for when everything ends
    },
    ...(options.adminSocket === undefined ? {} : { adminSocket: options.adminSocket }),
    ...(options.metrics === undefined ? {} : { metricsAt: options.metrics }),
  })
  opened.add(() => operation.close())
  entrance.admit((stream) => {
    tally.add('handshakes', stream.channel.isResumed ? 'resumed' : 'whole')
    door.accept(stream)
  })
  logger.info('relaying', { tcp: formatEndpoint(tcp), udp: udp.map(formatEndpoint) })
  return {
    link,
    tcp,
    udp,
    ...(operation.metricsAt === undefined ? {} : { metrics: operation.metricsAt }),
    reload: async ({ certificate }) => {
      if (certificate !== undefined) await entrance.takeCertificate(certificate)
    },
    drained: operation.drained,
    close: () => opened.close(),
  }
}
