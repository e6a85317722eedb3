/**
 * One plain HTTP request to a literal address, for UPnP: bounded in time and size, without names, redirects, cookies,
 * compression or connections kept. Anything else is a failure, and a failure is a value.
 */
import { type IncomingMessage, request } from 'node:http'
import { isIP } from 'node:net'

export interface HttpRequest {
  readonly method: 'GET' | 'POST'
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

export type HttpOutcome =
  | { readonly kind: 'answered'; readonly status: number; readonly body: Uint8Array }
  | { readonly kind: 'failed'; readonly why: string }

export interface HttpLimits {
  /** From the connection's beginning to the last byte. */
  readonly timeoutMs: number
  readonly bodyBytes: number
}

/**
 * A router on the LAN needs some 10 ms, but where one packet is lost while connecting, the kernel sends it again after a
 * second (RFC 6298 §2.1): the limit leaves room for that and for an answer. Descriptions have 3 to 20 KiB.
 */
const USUAL_LIMITS: HttpLimits = { timeoutMs: 2500, bodyBytes: 64 * 1024 }

/** Never rejects. */
export async function fetchHttp(
  wanted: HttpRequest,
  limits: HttpLimits = USUAL_LIMITS,
): Promise<HttpOutcome> {
  if (!isLiteralHttp(wanted.url)) return { kind: 'failed', why: 'not plain HTTP to an address' }
  const signal = AbortSignal.timeout(limits.timeoutMs)
  try {
    const response = await send(wanted, signal)
    return {
      kind: 'answered',
      status: response.statusCode ?? 0,
      body: await read(response, limits),
    }
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    return { kind: 'failed', why: signal.aborted ? 'timed out' : why }
  }
}

function isLiteralHttp(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, hostname } = new URL(text)
  return protocol === 'http:' && isIP(hostname.replace(/^\[|\]$/g, '')) !== 0
}

function send(
  { method, url, headers, body }: HttpRequest,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const length = method === 'POST' ? { 'content-length': String(body.length) } : {}
    const sent = request(url, {
      method,
      headers: { ...headers, ...length, connection: 'close' },
      agent: false, // a connection of its own
      signal,
    })
    sent.on('response', resolve)
    sent.on('error', reject)
    sent.end(body)
  })
}

async function read(response: IncomingMessage, { bodyBytes }: HttpLimits): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let length = 0
  for await (const part of response as AsyncIterable<Uint8Array>) {
    length += part.length
    if (length > bodyBytes) throw new Error('the answer is too long') // leaving the loop ends the connection
    parts.push(part)
  }
  return Buffer.concat(parts)
}
