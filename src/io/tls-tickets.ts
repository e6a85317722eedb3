/** What servers gave a client to come back by without a whole handshake (RFC 8446 §2.2). In memory only. */

/** Servers whose tickets are kept: a daemon has one, with two protocols, and relays elsewhere. */
const MOST_SERVERS = 16

/** OpenSSL gives two with each whole handshake, and none to who has come by one. */
const MOST_OF_ONE_SERVER = 4

export interface TicketOwner {
  readonly host: string
  readonly port: number
  /** What vouched for the server when it gave the ticket; a resumed session shows no certificate. */
  readonly pin?: Uint8Array
  readonly alpn: string
}

/**
 * Each ticket is used once, so that nobody who listens can tell that two connections are the same client's (RFC 8446
 * appendix C.4).
 */
export class TlsTickets {
  readonly #kept = new Map<string, Buffer[]>() // ≤ MOST_SERVERS, oldest dropped; ≤ MOST_OF_ONE_SERVER each

  take(owner: TicketOwner): Buffer | undefined {
    return this.#kept.get(nameOf(owner))?.pop()
  }

  /** To be called only when the server has proved to be the right one. */
  keep(owner: TicketOwner, ticket: Buffer): void {
    const name = nameOf(owner)
    const kept = [...(this.#kept.get(name) ?? []), ticket].slice(-MOST_OF_ONE_SERVER)
    this.#kept.delete(name)
    this.#kept.set(name, kept)
    const [oldest] = this.#kept.keys()
    if (this.#kept.size > MOST_SERVERS && oldest !== undefined) this.#kept.delete(oldest)
  }
}

function nameOf({ host, port, pin, alpn }: TicketOwner): string {
  return `${host} ${port} ${alpn} ${pin === undefined ? '' : Buffer.from(pin).toString('hex')}`
}
