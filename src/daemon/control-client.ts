import type { ControlEvent } from '../protocol/control/schema.ts'

export interface SubscriptionWish {
  /** The events after this one. */
  readonly after: number
  readonly types?: readonly string[]
}

/** What a method sees of whoever asked, for the one request. */
export interface ControlClient {
  /** Aborted when the client is gone: nobody waits for the answer any more. */
  readonly signal: AbortSignal
  /** Events follow this request's answer; a second subscription takes the first one's place. */
  subscribe(wish: SubscriptionWish): void
  unsubscribe(): void
  /** Runs when this request's answer has been written. */
  afterAnswer(task: () => void): void
}

/** How an event is told: a JSON-RPC notification. */
export function eventNotification(event: ControlEvent): object {
  return { jsonrpc: '2.0', method: 'event', params: event }
}
