/** The TLS port of a server or a relay, with its certificate and its tickets. */
import type { Endpoint } from '../core/endpoint.ts'
import type { SecureStream } from '../io/byte-stream.ts'
import { listenTls, type TlsListener } from '../io/tls.ts'
import { type GivenCertificate, givenTlsIdentity, type TlsIdentity } from './certificate.ts'
import type { DataDirectory } from './data-directory.ts'
import { type HostPort, resolveHostPort } from './host-port.ts'
import type { Outside } from './outside.ts'
import { TlsTicketKeys } from './tls-ticket-keys.ts'

export interface EntranceOptions {
  readonly listen: HostPort
  readonly identity: TlsIdentity
  readonly alpn: readonly string[]
  readonly directory: DataDirectory
  readonly outside: Outside
}

type OnStream = (stream: SecureStream, alpn: string) => void

/**
 * It listens before it lets anybody in: who comes while the server is not ready waits. After a restart the clients of a
 * community are all at the door; were they refused, each would come back later than the server could serve it.
 */
export class Entrance {
  readonly local: Endpoint
  readonly #listener: TlsListener
  readonly #endRenewal: () => void
  #identity: TlsIdentity
  #onStream: OnStream = (stream) => stream.destroy()

  /** @throws HollerError `PORT_TAKEN`, `CONFIG_INVALID`, `STORE_UNUSABLE`; nothing stays open then. */
  static async open(options: EntranceOptions): Promise<Entrance> {
    const { listen, identity, alpn, directory, outside } = options
    const { address, port } = await resolveHostPort(listen)
    const tickets = await TlsTicketKeys.open(directory, outside)
    const listener = await listenTls({
      ...{ address, port, alpn, ...identity },
      tickets: tickets.settings,
      isHeld: true,
      onStream: (stream, chosen) => entrance.#onStream(stream, chosen),
    })
    const entrance = new Entrance(listener, identity, tickets.renewFor(listener))
    return entrance
  }

  private constructor(listener: TlsListener, identity: TlsIdentity, endRenewal: () => void) {
    this.local = listener.local
    this.#listener = listener
    this.#identity = identity
    this.#endRenewal = endRenewal
  }

  /** What its clients know it by. */
  get identity(): TlsIdentity {
    return this.#identity
  }

  /** Lets in who waits, and who comes. */
  admit(onStream: OnStream): void {
    this.#onStream = onStream
    this.#listener.admit()
  }

  /** The files are read again. @throws HollerError `CONFIG_INVALID`, and the old certificate stays. */
  async takeCertificate(given: GivenCertificate): Promise<void> {
    const identity = await givenTlsIdentity(given)
    this.#listener.setCertificate(identity)
    this.#identity = identity
  }

  /** Nobody new. Resolves when the last stream has closed, which is the business of who was handed it. */
  async close(): Promise<void> {
    this.#endRenewal()
    await this.#listener.close()
  }
}
