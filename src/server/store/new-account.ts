import type { StoreChange } from '../../core/store.ts'
import { FIRST_ACCOUNT_NUMBER } from '../handle.ts'
import { nextRecord } from './mail-records.ts'
import { putRecord } from './record.ts'
import type { Records } from './records.ts'
import { accountKey, accountRecord, handleKey, handleRecord } from './server-records.ts'
import type { Account, NewAccount } from './account.ts'

const NEXT_NUMBER = 'next-number'

/** The account and what is to be written for it, in `inOrder`; `undefined` when the handle is taken. */
export async function newAccount(
  records: Records,
  { handle, verifier, createdAtMs }: NewAccount,
): Promise<{ readonly account: Account; readonly changes: readonly StoreChange[] } | undefined> {
  if ((await records.read(handleRecord, handleKey(handle))) !== undefined) return undefined
  const number = (await records.read(nextRecord, NEXT_NUMBER))?.next ?? FIRST_ACCOUNT_NUMBER
  const startsInvisible = false
  const account = { number, handle, verifier, createdAtMs, startsInvisible, revision: 1 }
  const changes = [
    putRecord(nextRecord, NEXT_NUMBER, { next: number + 1 }),
    putRecord(accountRecord, accountKey(number), account),
    putRecord(handleRecord, handleKey(handle), { number }),
  ]
  return { account, changes }
}

/** Accounts that were made after a backup are gone when it is restored; their numbers are not given to others. */
const SKIPPED_AFTER_RESTORE = 1_000

export async function skipNumbers(records: Records): Promise<void> {
  const next = (await records.read(nextRecord, NEXT_NUMBER))?.next
  if (next === undefined) return
  const skipped = { next: next + SKIPPED_AFTER_RESTORE }
  await records.write([putRecord(nextRecord, NEXT_NUMBER, skipped)])
}
