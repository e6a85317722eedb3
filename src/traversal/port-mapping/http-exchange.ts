/** UPnP speaks HTTP, and machines have no connections: their owner makes each request and tells what became of it. */

export interface HttpRequest {
  readonly method: 'GET' | 'POST'
  /** Plain HTTP to a literal address, which has been judged already: no name is looked up, no redirect followed. */
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

export type HttpOutcome =
  | { readonly kind: 'answered'; readonly status: number; readonly body: Uint8Array }
  /** Nobody there, too slow, too long. */
  | { readonly kind: 'failed'; readonly why: string }

/** Of an answer's body. Descriptions have 3 to 20 KiB, answers to SOAP calls less than one. */
export const MAX_HTTP_BODY_BYTES = 64 * 1024

/** An owner gives up after 2.5 s for each request; one that tells nothing at all must not stop the machine. */
export const HTTP_PATIENCE_MS = 3000
