/** The transport's own close codes (RFC 9000 §20.1); those of applications are numbered by themselves. */
export const transportErrorCodes = {
  none: 0x0,
  internal: 0x1,
  flowControl: 0x3,
  streamLimit: 0x4,
  streamState: 0x5,
  finalSize: 0x6,
  frameEncoding: 0x7,
  transportParameter: 0x8,
  connectionIdLimit: 0x9,
  protocolViolation: 0xa,
  keyUpdate: 0xe,
} as const

export type TransportErrorCode = (typeof transportErrorCodes)[keyof typeof transportErrorCodes]

/** What an authenticated peer did that no working peer does. The connection closes with it. */
export interface Violation {
  readonly code: TransportErrorCode
  readonly text: string
}

export function violation(name: keyof typeof transportErrorCodes, text: string): Violation {
  return { code: transportErrorCodes[name], text }
}
