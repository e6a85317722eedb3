/** Records of accounts and lists, and the keys that they are under: the table at the head of `kv-server-store.ts`. */
import { z } from 'zod'
import type { AccountNumber } from '../../protocol/server/messages.ts'
import type { Handle } from '../handle.ts'
import { sortable } from './keys.ts'
import { bytesField } from './record.ts'

const handleField = z.custom<Handle>((value) => typeof value === 'string')

export const handleRecord = z.object({ number: z.number() })

const verifierField = z.object({
  salt: bytesField,
  hashing: z.object({ memoryKiB: z.number(), passes: z.number(), lanes: z.number() }),
  storedKey: bytesField,
  serverKey: bytesField,
})

export const accountRecord = z.object({
  number: z.number(),
  handle: handleField,
  verifier: verifierField,
  createdAtMs: z.number(),
  startsInvisible: z.boolean(),
  disabledAtMs: z.exactOptional(z.number()),
  revision: z.number(),
})

export const rosterRecord = z.object({
  number: z.number(),
  handle: handleField,
  state: z.enum(['accepted', 'pending-out', 'pending-in', 'blocked']),
  note: z.string(),
  own: z.exactOptional(
    z.object({
      group: z.exactOptional(z.string()),
      remark: z.exactOptional(z.string()),
      isConcealed: z.exactOptional(z.literal(true)),
    }),
  ),
})

export function accountKey(number: AccountNumber): string {
  return `account/${sortable(number)}`
}

export function handleKey(handle: Handle): string {
  return `handle/${handle}`
}

export function profileKey(number: AccountNumber): string {
  return `profile/${sortable(number)}`
}

export function devicesKey(number: AccountNumber): string {
  return `devices/${sortable(number)}`
}

export function rosterKey(whose: AccountNumber, of: AccountNumber): string {
  return rosterPrefix(whose) + sortable(of)
}

export function rosterPrefix(whose: AccountNumber): string {
  return `roster/${sortable(whose)}/`
}
