import { EventEmitter } from 'node:events'

/**
 * What every transport is brought to: an ordered pipe of bytes with `write` (false: wait for 'drain'), 'data' and 'drain'.
 * This one is for transports that are no Node streams. `send` takes one piece and answers whether there is room for more.
 */
export class Pipe extends EventEmitter {
  #send

  constructor(send) {
    super()
    this.#send = send
  }

  write(bytes) {
    return this.#send(bytes)
  }
}
