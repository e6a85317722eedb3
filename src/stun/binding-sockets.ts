/** A STUN server's one to four sockets (per family), and how they stand to each other (RFC 5780 §6.1, table 1). */
import { type Endpoint, sameEndpoint } from '../core/endpoint.ts'
import { type SocketId, socketNamed } from '../core/machine.ts'

export interface BindingSocket {
  /** Absent for the machine's primary socket of that family. */
  readonly id?: SocketId
  /** As clients see it. An unspecified address (`0.0.0.0`) is never told to anybody. */
  readonly endpoint: Endpoint
  /** Answers plain questions and is no part of RFC 5780's table: another port, for those who cannot reach the others. */
  readonly isExtra?: true
}

/** The name of the socket on the server's first or second address and first or second port. */
export function bindingSocketId(address: 1 | 2, port: 1 | 2): SocketId {
  return socketNamed(`stun:${address}:${port}`)
}

interface Change {
  readonly changeAddress: boolean
  readonly changePort: boolean
}

export class BindingSockets {
  readonly #sockets: readonly BindingSocket[]
  /** Those of RFC 5780's table. */
  readonly #table: readonly BindingSocket[]

  constructor(sockets: readonly BindingSocket[]) {
    this.#sockets = sockets
    this.#table = sockets.filter(({ isExtra }) => isExtra !== true)
  }

  /** Of the sockets on the address that clients are sent to. */
  portsOf(family: 4 | 6): readonly number[] {
    const onPrimary = this.#sockets.filter(
      (socket) => socket.endpoint.family === family && this.isPrimary(socket),
    )
    return [...new Set(onPrimary.map(({ endpoint }) => endpoint.port))]
  }

  named(id: SocketId | undefined, family: 4 | 6): BindingSocket | undefined {
    return this.#sockets.find((socket) => socket.id === id && socket.endpoint.family === family)
  }

  /** Whether it is on the address that clients are sent to: the first one of its family. */
  isPrimary({ endpoint }: BindingSocket): boolean {
    const first = this.#table.find((socket) => socket.endpoint.family === endpoint.family)
    return first?.endpoint.address === endpoint.address
  }

  /** Where an answer must leave from; `undefined` where there is no such socket. */
  changed(at: BindingSocket, change: Change | undefined): BindingSocket | undefined {
    if (change === undefined || !(change.changeAddress || change.changePort)) return at
    if (at.isExtra === true) return undefined
    return this.#table.find(
      ({ endpoint }) =>
        endpoint.family === at.endpoint.family &&
        (endpoint.address !== at.endpoint.address) === change.changeAddress &&
        (endpoint.port !== at.endpoint.port) === change.changePort,
    )
  }

  /** OTHER-ADDRESS: what "change address and port" would answer from. RFC 5780 wants both; none is told otherwise. */
  other(at: BindingSocket): Endpoint | undefined {
    const other = this.changed(at, { changeAddress: true, changePort: true })
    return other === undefined || sameEndpoint(other.endpoint, at.endpoint)
      ? undefined
      : this.told(other)
  }

  told({ endpoint }: BindingSocket): Endpoint | undefined {
    return endpoint.address === '0.0.0.0' || endpoint.address === '::' ? undefined : endpoint
  }
}
