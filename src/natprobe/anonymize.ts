/**
 * A report that may be shown in public: each address is replaced by a name that keeps its scope and family
 * (`private-ipv4-1`, `public-ipv4-2`), each server's name by `server-1`, each interface's by `interface-1`. Ports stay: they are what a bug report is about.
 *
 * The names are given in the order of appearance and kept for as long as this object lives. They are no hashes: all of
 * IPv4 is hashed in seconds, and a name derived from an address would give it away.
 */
import { endpoint, type Endpoint } from '../core/endpoint.ts'
import { scopeOf } from './address-scope.ts'
import type { Report, ServerReport } from './report.ts'

/** Candidates only; `endpoint()` decides. Longest first: an IPv6 address may end in an IPv4 one. */
const ADDRESS =
  /\[?((?:[0-9a-f]{0,4}:){2,7}(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9a-f]{0,4}))\]?|\d{1,3}(?:\.\d{1,3}){3}/gi

/**
 * `compare.ts` writes `servers.LABEL` or `servers.LABEL (ADDRESS)`; labels hold no space. Before it there may be
 * `otherUplinks.NAME.`; the names of interfaces may hold dots.
 */
const SERVER_FIELD = /^((?:otherUplinks\..+?\.)?servers)\.(\S+)/
const UPLINK_FIELD = /^otherUplinks\.(.+?)\.(?=(?:verdict|families|portMapping|servers)\b)/

export class Pseudonyms {
  readonly #names = new Map<string, string>() // as many as a run's reports name
  readonly #counts = new Map<string, number>()

  anonymized(report: Report): Report {
    const servers = this.#servers(report.servers)
    // The system may name an interface after its hardware address.
    const otherUplinks = report.otherUplinks?.map((uplink) => ({
      ...uplink,
      interface: this.#named(uplink.interface, 'interface'),
      servers: this.#servers(uplink.servers),
    }))
    const changes = report.changes?.map((change) => ({
      ...change,
      field: this.#changedField(change.field),
    }))
    const { startedAt, ...others } = report
    // Of the same shape: only strings change, and of them only addresses.
    const changed = this.#changed({
      ...others,
      servers,
      ...(otherUplinks === undefined ? {} : { otherUplinks }),
      ...(changes === undefined ? {} : { changes }),
    }) as Omit<Report, 'startedAt'>
    return { ...changed, startedAt, anonymized: true }
  }

  #servers(servers: readonly ServerReport[]): readonly ServerReport[] {
    return servers.map((server) => ({ ...server, server: this.#named(server.server, 'server') }))
  }

  #changedField(field: string): string {
    return field
      .replace(
        SERVER_FIELD,
        (_, before: string, label: string) => `${before}.${this.#named(label, 'server')}`,
      )
      .replace(UPLINK_FIELD, (_, name: string) => `otherUplinks.${this.#named(name, 'interface')}.`)
  }

  #changed(value: unknown): unknown {
    if (typeof value === 'string') return this.#changedText(value)
    if (Array.isArray(value)) return value.map((item) => this.#changed(item))
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [key, this.#changed(item)]),
    )
  }

  #changedText(text: string): string {
    return text.replace(ADDRESS, (found, ipv6?: string) => {
      const address = endpoint(ipv6 ?? found, 0)
      return address.ok ? this.#nameOf(address.value) : found
    })
  }

  #nameOf(subject: Endpoint): string {
    return this.#named(subject.address, `${scopeOf(subject)}-ipv${subject.family}`)
  }

  #named(what: string, kind: string): string {
    const known = this.#names.get(what)
    if (known !== undefined) return known
    const count = (this.#counts.get(kind) ?? 0) + 1
    this.#counts.set(kind, count)
    this.#names.set(what, `${kind}-${count}`)
    return `${kind}-${count}`
  }
}
