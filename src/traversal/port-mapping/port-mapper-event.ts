/** What a `PortMapper` tells its owner. */
import type { Endpoint } from '../../core/endpoint.ts'
import type { HttpRequest } from './http-exchange.ts'
import type { Mapped, Mechanism, UnavailableReason } from './mapping-client.ts'

export type PortMapperEvent =
  /** The gateway speaks this protocol, whether or not it is the one that will be used. */
  | { readonly kind: 'available'; readonly by: Mechanism }
  | { readonly kind: 'unavailable'; readonly by: Mechanism; readonly why: UnavailableReason }
  /** There is a mapping; told again, with the cause, whenever it was renewed or is another one. */
  | ({ readonly kind: 'mapped'; readonly by: Mechanism } & Mapped)
  /** It is gone. Another one may follow. */
  | {
      readonly kind: 'unmapped'
      readonly by: Mechanism
      readonly external: Endpoint
      readonly why: UnavailableReason
    }
  | { readonly kind: 'released'; readonly isConfirmed: boolean }
  /** Make the request, then tell by `httpAnswered`: 1 s and `MAX_HTTP_BODY_BYTES` at most, no redirects. */
  | { readonly kind: 'http-wanted'; readonly id: number; readonly request: HttpRequest }
