import type { Endpoint } from '../core/endpoint.ts'
import type { SocketId } from '../core/machine.ts'
import { type ChannelId, decodeRelayFrame } from '../protocol/relay/frames.ts'
import { type ConnectionId, packetConnectionId } from '../reliable-udp/packet.ts'
import { type ProbeTag, probeTagOf } from '../traversal/probe.ts'
import type { PeerSession } from './peer-session.ts'

type Name = ConnectionId | ProbeTag | ChannelId

/**
 * Which session a datagram is for. Each of the three protocols names its own: packets by connection id, probes by tag,
 * relay frames by channel. A name belongs to whoever had it first: no session can take another's datagrams.
 */
export class PeerRoutes {
  readonly #packets = new Map<Name, PeerSession>() // BOUNDED: a handful for each session
  readonly #probes = new Map<Name, PeerSession>()
  readonly #channels = new Map<Name, PeerSession>()
  readonly #synced = new Map<PeerSession, { version: number; names: readonly Name[] }>() // ≤ sessions

  /** Takes note of the names that a session has now. Cheap where nothing changed. */
  sync(session: PeerSession): void {
    const { routesVersion: version } = session
    if (this.#synced.get(session)?.version === version) return
    this.remove(session)
    const { connectionIds, probeTag, channels } = session
    const tags = probeTag === undefined ? [] : [probeTag]
    claim(this.#packets, connectionIds, session)
    claim(this.#probes, tags, session)
    claim(this.#channels, channels, session)
    this.#synced.set(session, { version, names: [...connectionIds, ...tags, ...channels] })
  }

  remove(session: PeerSession): void {
    for (const name of this.#synced.get(session)?.names ?? []) {
      for (const routes of [this.#packets, this.#probes, this.#channels]) {
        if (routes.get(name) === session) routes.delete(name)
      }
    }
    this.#synced.delete(session)
  }

  forPacket(bytes: Uint8Array): PeerSession | undefined {
    const id = packetConnectionId(bytes)
    return id && this.#packets.get(id)
  }

  forProbe(bytes: Uint8Array): PeerSession | undefined {
    const tag = probeTagOf(bytes)
    return tag && this.#probes.get(tag)
  }

  /** Answers to BIND name no channel: they are for whichever session has asked that relay. */
  forRelayFrame(
    from: Endpoint,
    bytes: Uint8Array,
    via: SocketId | undefined,
  ): readonly PeerSession[] {
    const frame = decodeRelayFrame(bytes)
    if (!frame.ok) return []
    switch (frame.value.kind) {
      case 'data':
      case 'pong':
      case 'unknown-channel': {
        const session = this.#channels.get(frame.value.channel)
        return session === undefined ? [] : [session]
      }
      case 'cookie':
      case 'bound':
      case 'refused':
        return [...this.#synced.keys()].filter((session) => session.isBindingAt(from, via))
      case 'bind':
      case 'ping':
        return [] // what only clients say
    }
  }
}

function claim(routes: Map<Name, PeerSession>, names: readonly Name[], session: PeerSession): void {
  for (const name of names) if (!routes.has(name)) routes.set(name, session)
}
