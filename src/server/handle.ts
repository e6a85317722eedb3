/** Names of accounts: a handle (`alice`) that a person chose, or the number (`10001`) that the server gave. */
import type { AccountName, AccountNumber } from '../protocol/server/messages.ts'

/** The first number handed out; smaller ones are kept for a server's own use. */
export const FIRST_ACCOUNT_NUMBER = 10_001

/** 3 to 32 characters; it begins with a letter, so that no handle can be taken for a number. */
const HANDLE = /^[A-Za-z][A-Za-z0-9._-]{2,31}$/
const NUMBER = /^[1-9][0-9]{0,15}$/

declare const normalHandle: unique symbol

/** A handle in the one form in which handles are stored and compared: lower case. */
export type Handle = string & { readonly [normalHandle]: true }

/**
 * `undefined` unless it is a handle. Letters are folded only after the check for ASCII: Unicode's lower case makes
 * a `k` of the Kelvin sign, and two people would look like one.
 */
export function normaliseHandle(text: string): Handle | undefined {
  return HANDLE.test(text) ? (text.toLowerCase() as Handle) : undefined
}

export type NameRef =
  | { readonly kind: 'number'; readonly number: AccountNumber }
  | { readonly kind: 'handle'; readonly handle: Handle }

/** What a user typed, if it can be the name of an account at all. */
export function readName(name: AccountName): NameRef | undefined {
  if (NUMBER.test(name)) {
    const number = Number(name)
    return Number.isSafeInteger(number) ? { kind: 'number', number } : undefined
  }
  const handle = normaliseHandle(name)
  return handle === undefined ? undefined : { kind: 'handle', handle }
}
