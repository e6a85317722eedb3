import type { ServerErrorCode } from '../protocol/server/messages.ts'

/** What becomes of something a client asked for. */
export type Answer =
  | { readonly kind: 'done' }
  | {
      readonly kind: 'refused'
      readonly code: ServerErrorCode
      /** A sentence for people, without a full stop and without anything of the asker's own. */
      readonly text: string
      readonly retryAfterMs?: number
    }

export type Refusal = Extract<Answer, { kind: 'refused' }>

export const done: Answer = { kind: 'done' }

export function refused(code: ServerErrorCode, text: string, retryAfterMs?: number): Refusal {
  return { kind: 'refused', code, text, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) }
}

export function rateLimited(retryAfterMs: number): Refusal {
  return refused('rate-limited', 'Too often; try again later', retryAfterMs)
}
