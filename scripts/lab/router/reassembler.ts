import type { Ipv4Packet } from './ipv4.ts'

interface Assembly {
  readonly startedAt: number
  readonly parts: Map<number, Ipv4Packet> // by offset; ≤ 65,535 / 8
  /** Known with the last fragment. */
  totalBytes: number | undefined
}

/** As Linux does: what is not complete after so long never will be. */
const TIMEOUT_MS = 30_000
const MAX_ASSEMBLIES = 64

/**
 * Puts fragments together again (RFC 791 §3.2), since only the first one has ports. The whole packet may be longer than
 * any link; the kernel behind the TUN device makes fragments of it once more.
 */
export class Reassembler {
  readonly #assemblies = new Map<string, Assembly>() // ≤ MAX_ASSEMBLIES, oldest dropped

  /** The packet, once it is whole. */
  add(now: number, packet: Ipv4Packet): Ipv4Packet | undefined {
    if (!packet.hasMoreFragments && packet.fragmentOffset === 0) return packet
    const { source, destination, protocol, identification } = packet
    const key = `${source} ${destination} ${protocol} ${identification}`
    const assembly = this.#assemblyOf(now, key)
    assembly.parts.set(packet.fragmentOffset, packet)
    if (!packet.hasMoreFragments) {
      assembly.totalBytes = packet.fragmentOffset + packet.payload.length
    }
    const whole = joined(assembly)
    if (whole !== undefined) this.#assemblies.delete(key)
    return whole
  }

  #assemblyOf(now: number, key: string): Assembly {
    const known = this.#assemblies.get(key)
    if (known !== undefined && now - known.startedAt < TIMEOUT_MS) return known
    const assembly = { startedAt: now, parts: new Map(), totalBytes: undefined }
    this.#assemblies.delete(key)
    const [oldest] = this.#assemblies.keys()
    if (this.#assemblies.size >= MAX_ASSEMBLIES && oldest !== undefined) {
      this.#assemblies.delete(oldest)
    }
    this.#assemblies.set(key, assembly)
    return assembly
  }
}

function joined({ parts, totalBytes }: Assembly): Ipv4Packet | undefined {
  const first = parts.get(0)
  if (first === undefined || totalBytes === undefined) return undefined
  const payload = new Uint8Array(totalBytes)
  let at = 0
  while (at < totalBytes) {
    const part = parts.get(at)
    if (part === undefined || part.payload.length === 0) return undefined
    if (at + part.payload.length > totalBytes) return undefined
    payload.set(part.payload, at)
    at += part.payload.length
  }
  return { ...first, hasMoreFragments: false, isFragmentable: true, payload }
}
