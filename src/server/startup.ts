/** What a home server and a relay of its own have in common at their start: sockets, identity, and the way back. */
import type { Clock } from '../core/clock.ts'
import type { Endpoint } from '../core/endpoint.ts'
import { after } from '../core/instant.ts'
import type { Logger } from '../core/logger.ts'
import type { Random } from '../core/random.ts'
import { Alarm } from '../io/alarm.ts'
import { drive } from '../io/drive.ts'
import { hostAddresses } from '../io/host-addresses.ts'
import { BindingServer } from '../stun/binding-server.ts'
import { linkHost } from './advertised.ts'
import {
  type GivenCertificate,
  givenTlsIdentity,
  tlsIdentity,
  type TlsIdentity,
} from './certificate.ts'
import type { DataDirectory } from './data-directory.ts'
import { type HostPort, resolveHostPort } from './host-port.ts'
import type { Outside } from './outside.ts'
import { RelayDoor } from './relay-door.ts'
import { Relay } from './relay.ts'
import type { ServerTime } from './server-time.ts'
import type { StunWitness } from './stun-witness.ts'
import { UdpService } from './udp-service.ts'
import { closeAll, type NamedSockets, openExtraSockets, openUdpSockets } from './udp-sockets.ts'

/** Goodbyes leave within it; a client that does not read is not waited for longer. */
export const CLOSE_WITHIN_MS = 6_000

export interface ListeningOptions {
  readonly dataDirectory: string
  readonly listen: HostPort
  readonly udp: HostPort
  readonly udpAlternate?: HostPort
  /** Further UDP ports on the address of `udp`, for those whose firewall lets only these out. */
  readonly udpEgress?: readonly number[]
  /** What clients are told to connect to, where that is not what the machine itself knows. */
  readonly publicHost?: string
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

export async function identityOf(
  given: GivenCertificate | undefined,
  directory: DataDirectory,
  clock: Clock,
): Promise<TlsIdentity> {
  return given === undefined
    ? await tlsIdentity(directory, clock.wallNow())
    : await givenTlsIdentity(given)
}

export interface ServiceSockets {
  /** At most four, by RFC 5780. */
  readonly sockets: NamedSockets
  /** Further ones for those whose firewall lets only their ports out. */
  readonly extra: NamedSockets
}

export async function openUdp(
  { udp, udpAlternate, udpEgress = [] }: ListeningOptions,
  opened: Opened,
): Promise<ServiceSockets> {
  const main = await resolveHostPort(udp)
  const alternate = udpAlternate === undefined ? undefined : await resolveHostPort(udpAlternate)
  const sockets = await openUdpSockets(main, alternate)
  opened.add(() => closeAll(sockets))
  const extra = await openExtraSockets([...sockets.values()], udpEgress)
  opened.add(() => closeAll(extra))
  return { sockets, extra }
}

/** What a relay is called in tickets, and whose tickets it takes. */
export interface RelayTrust {
  readonly relayId: Uint8Array // 8 bytes
  readonly ticketKeys: readonly Uint8Array[] // Ed25519 public keys
}

interface UdpParts {
  readonly mayDelay: (from: Endpoint) => boolean
  readonly witness: StunWitness
  readonly time: ServerTime
  readonly relay: RelayTrust
  readonly options: ListeningOptions
  readonly opened: Opened
}

/** Starts STUN and relay; by the door come those who reach the relay over TLS alone. */
export function serveUdp(
  { sockets, extra }: ServiceSockets,
  { mayDelay, witness, time, relay: trust, options, opened }: UdpParts,
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
    ...trust,
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

export function outsideOf({ clock, random, logger }: ListeningOptions): Outside {
  return { clock, random, logger, makeAlarm: (onDue) => new Alarm(clock, onDue) }
}

export function hostOf({ publicHost, listen }: ListeningOptions, listening: Endpoint): string {
  return linkHost({
    ...(publicHost === undefined ? {} : { publicHost }),
    listenHost: listen.host,
    listening,
    hostAddresses: hostAddresses(),
  })
}

/** What has been opened so far, closed in the reverse order. */
export class Opened {
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

/** Runs a start that enters what it opens. Where it fails, nothing stays open. */
export async function opening<T>(start: (opened: Opened) => Promise<T>): Promise<T> {
  const opened = new Opened()
  try {
    return await start(opened)
  } catch (error) {
    await opened.close()
    throw error
  }
}

export async function noLongerThan(clock: Clock, ms: number, work: Promise<void>): Promise<void> {
  let alarm: Alarm | undefined
  const timeout = new Promise<void>((resolve) => {
    alarm = new Alarm(clock, () => resolve())
    alarm.set(after(clock.now(), ms))
  })
  await Promise.race([work, timeout])
  alarm?.clear()
}
