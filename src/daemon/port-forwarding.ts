/**
 * Has the gateway forward a port to the daemon's UDP port, for as long as the daemon runs: the owner of a `PortMapper`,
 * with its socket, its HTTP and the gateway's address. What was mapped is written down, so that a life that ended
 * without a goodbye is cleaned up after by the next one.
 */
import { z } from 'zod'
import { isDeepStrictEqual } from 'node:util'
import type { Clock } from '../core/clock.ts'
import { type Endpoint, endpoint, formatEndpoint } from '../core/endpoint.ts'
import type { DatagramSocket } from '../core/datagram-socket.ts'
import type { Logger } from '../core/logger.ts'
import type { Random } from '../core/random.ts'
import type { Store } from '../core/store.ts'
import { drive, type Driver } from '../io/drive.ts'
import { type DefaultGateway, defaultGateways } from '../io/gateway.ts'
import { fetchHttp } from '../io/http-fetch.ts'
import { openUdpSocket } from '../io/udp-socket.ts'
import type { HttpRequest } from '../traversal/port-mapping/http-exchange.ts'
import { type MappingRecord, mechanisms } from '../traversal/port-mapping/mapping-client.ts'
import { PCP_NONCE_BYTES, PORT_MAPPING_PORT } from '../traversal/port-mapping/pcp.ts'
import { PORT_MAPPING_SOCKET, PortMapper } from '../traversal/port-mapping/port-mapper.ts'
import type { PortMapperEvent } from '../traversal/port-mapping/port-mapper-event.ts'
import { within } from './deadline.ts'
import { bytesField, putRecord, readRecord } from './records.ts'
import { SerialQueue } from './serial-queue.ts'

const KEY = 'port-mapping'

/** A gateway that does not answer is not waited for: what is not deleted ends with its lease, or at our next start. */
const RELEASE_MS = 2_500

/** Of lives that ended badly, one after the other. */
const MAX_RECORDS = 8

const mappingRecord = z.object({
  by: z.enum(mechanisms),
  localPort: z.number(),
  externalPort: z.number(),
  nonce: z.exactOptional(z.string()),
})

const record = z.object({
  /** PCP's proof of whose a mapping is. */
  nonce: bytesField,
  /** What may still be mapped on some gateway. */
  mappings: z.array(mappingRecord),
})

export interface PortForwardingOptions {
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** What the gateway forwards to us now, as it says; `undefined` for nothing. */
  readonly onMapped: (external: Endpoint | undefined) => void
}

export class PortForwarding {
  readonly #options: PortForwardingOptions
  readonly #socket: DatagramSocket
  readonly #mapper: PortMapper
  readonly #driver: Driver
  readonly #writes = new SerialQueue()
  #record: z.output<typeof record>
  #external: Endpoint | undefined
  #released: (() => void) | undefined

  static async open(options: PortForwardingOptions): Promise<PortForwarding> {
    const { store, random } = options
    const bytes = await store.get(KEY)
    const known = bytes === undefined ? undefined : readRecord(record, KEY, bytes)
    const fresh = { nonce: random.bytes(PCP_NONCE_BYTES), mappings: [] }
    // Written before the first mapping is made: only who has the nonce can take it over.
    if (known === undefined) await store.write([putRecord(record, KEY, fresh)])
    const socket = await openUdpSocket({ address: '0.0.0.0', port: 0 })
    return new PortForwarding(options, known ?? fresh, socket)
  }

  private constructor(
    options: PortForwardingOptions,
    known: z.output<typeof record>,
    socket: DatagramSocket,
  ) {
    const { random, clock } = options
    this.#options = options
    this.#record = known
    this.#socket = socket
    this.#mapper = new PortMapper({ random, nonce: known.nonce })
    this.#driver = drive(this.#mapper, {
      clock,
      sockets: { primary: [], named: new Map([[PORT_MAPPING_SOCKET, socket]]) },
      onEvent: (event) => this.#handle(event),
    })
  }

  /** What is forwarded, as the gateway says. */
  get external(): Endpoint | undefined {
    return this.#external
  }

  /** The host is in this network now: maps `port` where one of these addresses faces a gateway. */
  async follow(addresses: readonly string[], port: number): Promise<void> {
    const gateway = gatewayFor(addresses, await defaultGateways())
    if (gateway === undefined) {
      this.#driver.change((now) => this.#mapper.release(now))
      this.#tell(undefined)
      return
    }
    this.#driver.change((now) =>
      this.#mapper.map(now, {
        gateway: gateway.endpoint,
        localAddress: gateway.localAddress,
        localPort: port,
        protocol: 'udp',
        leftovers: this.#record.mappings,
      }),
    )
  }

  /** Something has changed outside: looks whether the mapping is still there. */
  check(): void {
    this.#driver.change((now) => this.#mapper.check(now))
  }

  /** Takes the mapping away again. */
  async close(): Promise<void> {
    const { clock } = this.#options
    const released = new Promise<void>((resolve) => (this.#released = resolve))
    this.#driver.change((now) => this.#mapper.release(now))
    await within(clock, RELEASE_MS, released, () => new Error('The gateway is silent')).catch(
      () => undefined, // its mapping stays in the record
    )
    this.#driver.stop()
    await this.#socket.close()
    await this.#writes.idle()
  }

  #handle(event: PortMapperEvent): void {
    const { logger } = this.#options
    switch (event.kind) {
      case 'http-wanted':
        void this.#fetch(event.id, event.request) // never rejects
        return
      case 'available':
        return
      case 'unavailable':
        logger.debug('The gateway maps no port', { by: event.by, why: event.why })
        return
      case 'mapped':
        this.#note(event.record)
        this.#tell(event.external)
        return
      case 'unmapped':
        logger.info('The gateway forwards no more', { by: event.by, why: event.why })
        this.#tell(undefined)
        return
      case 'released':
        // What earlier lives left was deleted when the gateway answered; one that never did is asked next time.
        if (event.isConfirmed && this.#external !== undefined) this.#keep([])
        this.#released?.()
    }
  }

  async #fetch(id: number, request: HttpRequest): Promise<void> {
    const outcome = await fetchHttp(request)
    this.#driver.change((now) => this.#mapper.httpAnswered(now, id, outcome))
  }

  #tell(external: Endpoint | undefined): void {
    if (isDeepStrictEqual(external, this.#external) && external !== undefined) return // renewed
    this.#external = external
    if (external !== undefined) {
      const { logger } = this.#options
      logger.info('The gateway forwards a port', { external: formatEndpoint(external) })
    }
    this.#options.onMapped(external)
  }

  #note(mapping: MappingRecord): void {
    const others = this.#record.mappings.filter((known) => !isDeepStrictEqual(known, mapping))
    if (others.length < this.#record.mappings.length) return
    this.#keep([mapping, ...others].slice(0, MAX_RECORDS))
  }

  #keep(mappings: readonly MappingRecord[]): void {
    const { store, logger } = this.#options
    this.#record = { ...this.#record, mappings: [...mappings] }
    const change = putRecord(record, KEY, this.#record)
    this.#writes
      .run(() => store.write([change]))
      .catch((error: unknown) => {
        logger.error('Cannot write down a port mapping', { error: String(error) })
      })
  }
}

interface Facing {
  readonly endpoint: Endpoint
  readonly localAddress: string
}

/** IPv4 alone: there is no translation of IPv6 to be undone, and few routers open IPv6 by PCP. */
function gatewayFor(
  addresses: readonly string[],
  gateways: readonly DefaultGateway[],
): Facing | undefined {
  for (const { family, address, localAddress } of gateways) {
    const made = endpoint(address, PORT_MAPPING_PORT)
    if (family !== 4 || localAddress === undefined || !made.ok) continue
    if (addresses.includes(localAddress)) return { endpoint: made.value, localAddress }
  }
  return undefined
}
