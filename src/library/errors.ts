import type { CloseReason } from '../reliable-udp/connection-event.ts'

/** Why a connection ended: what `close` tells, and what its streams fail with. */
export interface CloseInfo {
  readonly reason: CloseReason
  /** The application's own code where an application closed, else the transport's (RFC 9000 §20.1). */
  readonly code: number
  readonly text: string
}

/** The connection is over, or never was. */
export class ConnectionClosedError extends Error {
  override readonly name = 'ConnectionClosedError'
  readonly code = 'CONNECTION_CLOSED'
  readonly info: CloseInfo

  constructor(info: CloseInfo) {
    super(`The connection is closed (${info.reason})${info.text === '' ? '' : `: ${info.text}`}`)
    this.info = info
  }
}

/** One side gave a stream up. `destroy(new StreamResetError(code))` tells the peer that code. */
export class StreamResetError extends Error {
  override readonly name = 'StreamResetError'
  readonly code = 'STREAM_RESET'
  readonly applicationCode: number

  /** `applicationCode`: an integer from 0 to 2^53 − 1, whose meaning is the application's. */
  constructor(applicationCode = 0, message = 'The stream was reset') {
    super(message)
    this.applicationCode = applicationCode
  }
}
