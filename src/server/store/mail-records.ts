/** Records of mail, and of what is counted: the tables at the heads of `kv-server-store.ts` and `kv-mail-store.ts`. */
import { z } from 'zod'

/** The next number that is given out: `next-number` to an account, `mail-next` to a message. */
export const nextRecord = z.object({ next: z.number() })

/** How long the server has run in all. */
export const ageRecord = z.object({ ms: z.number() })

/** Of a message, without its body. */
export const indexRecord = z.object({
  from: z.number(),
  /** Hex: the sender's device, and the message's id. */
  device: z.string(),
  message: z.string(),
  bytes: z.number(),
  ageMs: z.number(),
})
