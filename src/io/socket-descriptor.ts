import type { Socket } from 'node:dgram'

/** Node's name for the symbol under which a socket keeps its handle: `lib/internal/dgram.js`, since Node 10. */
const STATE_SYMBOL = 'state symbol'

interface SocketState {
  readonly handle?: { readonly fd?: unknown } | null
}

/**
 * The file descriptor of a bound socket. Node shows it in `socket._handle.fd`, with a deprecation warning (DEP0112)
 * and no substitute, so it is read from where that getter reads it. `undefined` when a future Node keeps it elsewhere:
 * then the socket is an ordinary one.
 */
export function socketDescriptor(socket: Socket): number | undefined {
  const key = Object.getOwnPropertySymbols(socket).find(
    (symbol) => symbol.description === STATE_SYMBOL,
  )
  if (key === undefined) return undefined
  const { handle } = (socket as unknown as Record<symbol, SocketState>)[key] ?? {}
  return typeof handle?.fd === 'number' && handle.fd >= 0 ? handle.fd : undefined
}
