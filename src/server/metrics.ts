/**
 * The server's figures in Prometheus' text format. All label values are closed sets: no name, number or address of
 * anybody is one, and no client can make a new series.
 */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { MailQuota } from './store/mail-store.ts'
import type { StoreOperation } from './store/measured-store.ts'
import type { SwitchboardStats } from './switchboard.ts'
import { counted, type CountedName, type Tally } from './tally.ts'
import type { UdpServiceStats } from './udp-service.ts'

/** Of a relay, and of a server, which is one too. */
export interface RelaySources {
  readonly tally: Tally
  readonly udp: () => UdpServiceStats
  /** Wall clock, ms since 1970 UTC. */
  readonly certificateEndsAtMs: () => number
  readonly isDraining: () => boolean
}

export interface ServerSources extends RelaySources {
  readonly sessions: () => SwitchboardStats
  /** All that waits; `undefined` while it is being counted. */
  readonly mail: () => MailQuota | undefined
}

/** From what a cache answers to what a disk in trouble does. */
const STORE_BUCKETS_S = [0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.1, 0.5, 2]

const COUNTERS: Readonly<
  Record<CountedName, { readonly name: string; readonly help: string; readonly label: string }>
> = {
  handshakes: {
    name: 'holler_tls_handshakes_total',
    help: 'TLS handshakes that were done, and how many of them by a ticket of an earlier session',
    label: 'kind',
  },
  logins: { name: 'holler_logins_total', help: 'Logins, by how they ended', label: 'result' },
  registrations: {
    name: 'holler_registrations_total',
    help: 'New accounts and replaced passwords that were asked for',
    label: 'result',
  },
  messages: {
    name: 'holler_messages_total',
    help: 'Sealed messages, by where they were accepted',
    label: 'result',
  },
  introductions: {
    name: 'holler_introductions_total',
    help: 'Introductions that were asked for',
    label: 'result',
  },
  presence: {
    name: 'holler_presence_total',
    help: 'Presence changes, and how often they were told to somebody',
    label: 'kind',
  },
  sessionEnds: {
    name: 'holler_session_ends_total',
    help: 'Sessions that ended, by reason',
    label: 'reason',
  },
  hostile: {
    name: 'holler_protocol_violations_total',
    help: 'Sessions cut for what they said',
    label: 'state',
  },
}

export class Metrics {
  readonly contentType: string
  readonly #registry = new Registry()
  readonly #storeTimes: Histogram<'operation'>
  #isOpen = false

  constructor() {
    this.contentType = this.#registry.contentType
    this.#storeTimes = new Histogram({
      name: 'holler_store_seconds',
      help: 'How long calls of the store took',
      labelNames: ['operation'],
      buckets: STORE_BUCKETS_S,
      registers: [],
    })
  }

  /** Where what happens at a server is found. To be called once. */
  watchServer(sources: ServerSources): void {
    this.#isOpen = true
    this.#registry.registerMetric(this.#storeTimes)
    this.#watchProcess(sources)
    this.#watchTally(sources.tally, Object.keys(COUNTERS) as CountedName[])
    this.#watchSessions(sources.sessions)
    this.#watchMail(sources.mail)
    this.#watchUdp(sources.udp)
  }

  /** The same of a relay of its own, which knows nobody. */
  watchRelay(sources: RelaySources): void {
    this.#watchProcess(sources)
    this.#watchTally(sources.tally, ['handshakes'])
    this.#watchUdp(sources.udp)
  }

  storeDone(operation: StoreOperation, ms: number): void {
    if (this.#isOpen) this.#storeTimes.observe({ operation }, ms / 1000)
  }

  async text(): Promise<string> {
    return await this.#registry.metrics()
  }

  #watchTally(tally: Tally, keys: readonly CountedName[]): void {
    for (const key of keys) {
      const { name, help, label } = COUNTERS[key]
      this.#series(name, help, label, () =>
        counted[key].map((result) => [result, tally.count(key, result as never)]),
      )
    }
  }

  #watchSessions(sessions: ServerSources['sessions']): void {
    this.#series(
      'holler_sessions',
      'Connections that have logged in, and those that have not',
      'state',
      () => {
        const { online, strangers } = sessions()
        return [
          ['online', online],
          ['stranger', strangers],
        ]
      },
    )
  }

  #watchProcess({ certificateEndsAtMs, isDraining }: RelaySources): void {
    collectDefaultMetrics({ register: this.#registry }) // process_…, nodejs_…: the event loop's lag, too
    this.#series(
      'holler_certificate_end_seconds',
      'When the certificate ends, in seconds since 1970',
      undefined,
      () => [['', certificateEndsAtMs() / 1000]],
    )
    this.#series('holler_draining', 'Whether the server sends its clients away', undefined, () => [
      ['', isDraining() ? 1 : 0],
    ])
  }

  /** Followed, not looked for: a scrape reads nothing from the disk. */
  #watchMail(mail: ServerSources['mail']): void {
    const gauge = (what: keyof MailQuota, help: string): void =>
      this.#series(`holler_mail_waiting_${what}`, help, undefined, () => {
        const total = mail()
        return total === undefined ? [] : [['', total[what]]]
      })
    gauge('messages', 'Sealed messages that wait for their owners')
    gauge('bytes', 'Bytes of their bodies')
  }

  #watchUdp(udp: () => UdpServiceStats): void {
    this.#series('holler_relay', 'What the relay holds now', 'what', () => {
      const { sessions, channels, streams } = udp().relay
      return [
        ['pairs', sessions],
        ['channels', channels],
        ['streams', streams],
      ]
    })
    this.#series(
      'holler_relay_forwarded_packets_total',
      'Packets that the relay has passed on',
      undefined,
      () => [['', udp().relay.forwarded]],
    )
    this.#series('holler_relay_forwarded_bytes_total', 'Bytes of them', undefined, () => [
      ['', udp().relay.forwardedBytes],
    ])
    this.#series(
      'holler_relay_dropped_total',
      'Packets to the relay that were dropped, by reason',
      'reason',
      () => Object.entries(udp().relay.dropped),
    )
    this.#series(
      'holler_stun_total',
      'STUN requests that were answered or refused',
      'result',
      () => {
        const { answered, refused } = udp().stun
        return [
          ['answered', answered],
          ['refused', refused],
        ]
      },
    )
    this.#series(
      'holler_stun_dropped_total',
      'STUN requests that were dropped, by reason',
      'reason',
      () => Object.entries(udp().stun.dropped),
    )
    this.#series(
      'holler_udp_unwanted_total',
      'Datagrams that are nothing for a server',
      undefined,
      () => [['', udp().unwanted]],
    )
  }

  /** Read when it is asked for: what is counted, is counted where it happens. `_total` only ever rises. */
  #series(
    name: string,
    help: string,
    label: string | undefined,
    read: () => readonly (readonly [value: string, count: number])[],
  ): void {
    const labelsOf = (value: string): Record<string, string> =>
      label === undefined ? {} : { [label]: value }
    const shared = { name, help, labelNames: label === undefined ? [] : [label] }
    if (name.endsWith('_total')) {
      const counter: Counter = new Counter({
        ...shared,
        registers: [this.#registry],
        collect: () => {
          counter.reset()
          for (const [value, count] of read()) counter.inc(labelsOf(value), count)
        },
      })
      return
    }
    const gauge: Gauge = new Gauge({
      ...shared,
      registers: [this.#registry],
      collect: () => {
        for (const [value, count] of read()) gauge.set(labelsOf(value), count)
      },
    })
  }
}
