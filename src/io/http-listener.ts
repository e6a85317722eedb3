/** A small HTTP server for scrapers and health checks: GET of a few pages, nothing else, and nobody harms it. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Endpoint, endpoint } from '../core/endpoint.ts'
import { HollerError } from '../core/holler-error.ts'

export interface Page {
  readonly status: number
  readonly type: string
  readonly body: string
}

export interface ListenHttp {
  readonly address: string
  readonly port: number
  /** `undefined`: there is no such page. What it throws is told as 500, without its text. */
  readonly page: (path: string) => Promise<Page> | undefined
}

/** Scrapers come every few seconds, one at a time; more than this at once is somebody else. */
const MAX_CONNECTIONS = 32
const REQUEST_WITHIN_MS = 5_000

const NOT_FOUND: Page = { status: 404, type: 'text/plain', body: 'Not found\n' }
const NOT_ALLOWED: Page = { status: 405, type: 'text/plain', body: 'Only GET\n' }
const FAILED: Page = { status: 500, type: 'text/plain', body: 'Failed\n' }

/** @throws HollerError `PORT_TAKEN`, or `CONFIG_INVALID` for an address that is not this machine's. */
export async function listenHttp(
  options: ListenHttp,
): Promise<{ readonly local: Endpoint; close(): Promise<void> }> {
  const server = createServer(
    { requestTimeout: REQUEST_WITHIN_MS, headersTimeout: REQUEST_WITHIN_MS, maxHeaderSize: 8_192 },
    (request, response) => {
      void answer(request.method, request.url).then(({ status, type, body }) => {
        response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' })
        response.end(request.method === 'HEAD' ? undefined : body)
      })
    },
  )
  server.maxConnections = MAX_CONNECTIONS
  server.keepAliveTimeout = REQUEST_WITHIN_MS
  server.on('clientError', (_error, socket) => socket.destroy())
  server.listen({ host: options.address, port: options.port })
  try {
    await once(server, 'listening')
  } catch (error) {
    throw listenError(options, error)
  }
  server.on('error', () => undefined) // EMFILE while accepting: scrapers try again
  const { address, port } = server.address() as AddressInfo
  const local = endpoint(address, port)
  if (!local.ok) throw new Error(`The system names an address "${address}": ${local.why}`)
  return {
    local: local.value,
    close: async () => {
      server.closeAllConnections()
      await new Promise<void>((resolve) => {
        server.close(() => resolve())
      })
    },
  }

  /** Never rejects. */
  async function answer(method: string | undefined, url = '/'): Promise<Page> {
    if (method !== 'GET' && method !== 'HEAD') return NOT_ALLOWED
    try {
      return (await options.page(url.split('?', 1)[0] ?? '/')) ?? NOT_FOUND
    } catch {
      return FAILED
    }
  }
}

function listenError({ address, port }: ListenHttp, error: unknown): HollerError {
  const { code, message } = error as NodeJS.ErrnoException
  const where = `${address}:${port}`
  return code === 'EADDRINUSE'
    ? new HollerError('PORT_TAKEN', `Cannot listen on HTTP ${where}: already in use`, {
        cause: error,
      })
    : new HollerError('CONFIG_INVALID', `Cannot listen on HTTP ${where}: ${code ?? message}`, {
        cause: error,
      })
}
