/**
 * Finds the Internet Gateway Device and the one of its services that is connected to the outside:
 *
 *     search, to the gateway and to everybody ─► description ─► external address, service by service ─► found
 *
 * Whoever is on the LAN hears the search and may answer, so: where the gateway is known, nobody else is listened to;
 * where it is not, only private addresses are; and each device may send us to its own address alone.
 */
import { scopeOf } from '../../core/address-scope.ts'
import type { Endpoint } from '../../core/endpoint.ts'
import type { Instant } from '../../core/instant.ts'
import type { Transmit } from '../../core/machine.ts'
import { OutboundQueue } from '../../core/outbound-queue.ts'
import { Asking } from './asking.ts'
import { SSDP_SCHEDULE } from './gateway-schedules.ts'
import type { HttpRequest } from './http-exchange.ts'
import { addressRequest, readAddress } from './igd-actions.ts'
import { decodeDescription, type IgdService } from './igd-description.ts'
import { localUrl } from './local-url.ts'
import type { UnavailableReason } from './mapping-client.ts'
import { decodeSearchAnswer, encodeSearch, searchTargets, SSDP_GROUP, SSDP_PORT } from './ssdp.ts'

export interface Igd {
  readonly service: IgdService
  readonly externalAddress: string
}

export type IgdSearchEvent =
  /** One at a time; `httpAnswered` must follow. */
  | { readonly kind: 'http-wanted'; readonly request: HttpRequest }
  | { readonly kind: 'igd-found'; readonly igd: Igd }
  | { readonly kind: 'nothing-found'; readonly why: UnavailableReason }

interface Description {
  readonly url: string
  /** Of the device that named it. */
  readonly address: string
}

type Fetch =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'description'; readonly description: Description }
  | { readonly kind: 'address'; readonly service: IgdService }

type Phase = 'resting' | 'searching' | 'over'

/** A gateway of two versions names one or two. */
const MAX_DESCRIPTIONS = 4

export class IgdSearch {
  readonly #gateway: Endpoint | undefined
  readonly #transmits = new OutboundQueue<Transmit>()
  readonly #events = new OutboundQueue<IgdSearchEvent>()
  #phase: Phase = 'resting'
  #asking: Asking | undefined
  #named: string[] = [] // ≤ MAX_DESCRIPTIONS
  #descriptions: Description[] = [] // ≤ MAX_DESCRIPTIONS, to be fetched
  #services: IgdService[] = [] // ≤ those of one description, to be asked
  #fetch: Fetch = { kind: 'nothing' }
  /** Connected, but to a network that is private too: the best so far. */
  #secondBest: Igd | undefined
  #why: UnavailableReason = 'silent'

  constructor({ gateway }: { readonly gateway: Endpoint | undefined }) {
    this.#gateway = gateway
  }

  start(now: Instant): void {
    this.stop()
    this.#phase = 'searching'
    this.#named = []
    this.#why = 'silent'
    this.#asking = new Asking(now, SSDP_SCHEDULE)
    this.handleTimeout(now)
  }

  stop(): void {
    this.#phase = 'resting'
    this.#asking = undefined
    this.#descriptions = []
    this.#services = []
    this.#secondBest = undefined
    this.#fetch = { kind: 'nothing' }
  }

  handleDatagram(from: Endpoint, bytes: Uint8Array): void {
    if (this.#phase === 'resting' || !this.#mayAnswer(from)) return
    const answer = decodeSearchAnswer(bytes)
    if (!answer.ok || !/InternetGatewayDevice/i.test(answer.value.target)) return
    const url = localUrl(answer.value.location, from.address)
    if (!url.ok) this.#why = 'bad-description'
    else this.#take({ url: url.value, address: from.address })
  }

  handleTimeout(now: Instant): void {
    const step = this.#asking?.step(now)
    if (step === 'send') this.#search()
    if (step !== 'give-up') return
    this.#asking = undefined
    this.#phase = 'over'
    if (this.#fetch.kind === 'nothing') this.#next()
  }

  /** The answer to the request that was wanted last; `undefined`: there is none. */
  httpAnswered(body: Uint8Array | undefined): void {
    const fetch = this.#fetch
    this.#fetch = { kind: 'nothing' }
    if (fetch.kind === 'nothing') return
    if (fetch.kind === 'description') this.#handleDescription(fetch.description, body)
    else this.#handleAddress(fetch.service, body)
  }

  pollTransmit(): Transmit | undefined {
    return this.#transmits.shift()
  }

  pollEvent(): IgdSearchEvent | undefined {
    return this.#events.shift()
  }

  pollTimeout(): Instant | undefined {
    return this.#asking?.dueAt
  }

  /** Their answers come from any port. */
  #mayAnswer(from: Endpoint): boolean {
    if (this.#gateway !== undefined) return from.address === this.#gateway.address
    const scope = scopeOf(from)
    return from.family === 4 && (scope === 'private' || scope === 'link-local')
  }

  /** To the gateway itself too: some Wi-Fi passes no multicast. */
  #search(): void {
    if (this.#named.length > 0) return // somebody has answered already
    const unicast = this.#gateway === undefined ? [] : [{ ...this.#gateway, port: SSDP_PORT }]
    for (const to of [...unicast, SSDP_GROUP]) {
      for (const target of searchTargets) {
        this.#transmits.push({ to, bytes: encodeSearch(to, target) })
      }
    }
  }

  #take(description: Description): void {
    if (this.#named.includes(description.url) || this.#named.length >= MAX_DESCRIPTIONS) return
    this.#named.push(description.url)
    this.#descriptions.push(description)
    if (this.#fetch.kind === 'nothing') this.#next()
  }

  /** Fetches what is to be fetched next; where nothing is left, tells the result. */
  #next(): void {
    const service = this.#services.shift()
    const description = service === undefined ? this.#descriptions.shift() : undefined
    if (service !== undefined) {
      this.#want({ kind: 'address', service }, addressRequest(service))
    } else if (description !== undefined) {
      const { url } = description
      const request = { method: 'GET', url, headers: {}, body: new Uint8Array() } as const
      this.#want({ kind: 'description', description }, request)
    } else if (this.#secondBest !== undefined) {
      this.#end({ kind: 'igd-found', igd: this.#secondBest })
    } else if (this.#phase === 'over') {
      this.#end({ kind: 'nothing-found', why: this.#why })
    }
  }

  #want(fetch: Fetch, request: HttpRequest): void {
    this.#fetch = fetch
    this.#events.push({ kind: 'http-wanted', request })
  }

  #handleDescription(description: Description, body: Uint8Array | undefined): void {
    const services = body === undefined ? undefined : decodeDescription(body, description)
    if (services?.ok === true) this.#services = [...services.value]
    else this.#why = 'bad-description'
    this.#next()
  }

  #handleAddress(service: IgdService, body: Uint8Array | undefined): void {
    const result = body === undefined ? undefined : readAddress(body)
    if (result?.kind !== 'done') {
      this.#why = 'no-external-address'
      this.#next()
      return
    }
    const igd = { service, externalAddress: result.value }
    if (scopeOf({ family: 4, address: result.value }) === 'global') {
      this.#end({ kind: 'igd-found', igd })
      return
    }
    this.#secondBest ??= igd
    this.#next()
  }

  #end(event: IgdSearchEvent): void {
    this.stop()
    this.#events.push(event)
  }
}
