/** The sockets beside the primary ones, which punching attempts ask for and give back. */
import type { DatagramSocket } from '../core/datagram-socket.ts'
import type { SocketId } from '../core/machine.ts'
import type { Driver } from '../io/drive.ts'
import { openUdpSocket } from '../io/udp-socket.ts'
import type { PeerEndpoint } from './peer-endpoint.ts'

export class ExtraSockets {
  readonly #driver: Driver
  readonly #endpoint: PeerEndpoint
  readonly #address: string
  readonly #wanted = new Set<SocketId>() // ≤ what punch-budget.ts allows all attempts
  #isClosed = false

  /** `address`: where the primary socket is bound. */
  constructor(driver: Driver, endpoint: PeerEndpoint, address: string) {
    this.#driver = driver
    this.#endpoint = endpoint
    this.#address = address
  }

  open(id: SocketId): void {
    if (this.#isClosed) return
    this.#wanted.add(id)
    // The system has none left, or no such address: the attempt can do without, or ends.
    openUdpSocket({ address: this.#address, port: 0 }).then(
      (socket) => this.#handleOpened(id, socket),
      () => this.#driver.change((now) => this.#endpoint.socketRefused(now, id)),
    )
  }

  close(id: SocketId): void {
    this.#wanted.delete(id)
    void this.#driver.removeSocket(id) // closing a socket does not fail
  }

  async closeAll(): Promise<void> {
    this.#isClosed = true
    await Promise.all([...this.#wanted].map((id) => this.#driver.removeSocket(id)))
    this.#wanted.clear()
  }

  #handleOpened(id: SocketId, socket: DatagramSocket): void {
    if (!this.#wanted.has(id) || this.#isClosed) {
      void socket.close()
      return
    }
    this.#driver.addSocket(id, socket)
    this.#driver.change((now) => this.#endpoint.socketOpened(now, id, socket.local))
  }
}
