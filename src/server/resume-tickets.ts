/**
 * What brings a session back without a password: a ticket that the client hands in, and a key that both keep to
 * themselves. The server remembers neither; it makes both from a secret in its data directory, so they outlive a crash.
 *
 *     version 8 | account number 64 | epoch 64 | verifier tag 128 | MAC 256        bits, big-endian
 *
 * A ticket is worth something only with the device's key, once, and while its epoch is the account's present one. The
 * tag stands for the password: when that is changed or reset, no ticket from before fits any more.
 */
import { asBuffer, concatBytes, equalBytes, utf8 } from '../core/bytes.ts'
import { hmacSha256, sha256, timingSafeEqual } from '../crypto/hash.ts'
import type { AccountNumber, PasswordVerifier, ResumePass } from '../protocol/server/messages.ts'
import type { Account } from './store/server-store.ts'
import type { Epoch } from './store/session-store.ts'

const VERSION = 1
const TAG_BYTES = 16
const MAC_BYTES = 32
const BODY_BYTES = 1 + 8 + 8 + TAG_BYTES

export interface TicketClaim {
  readonly number: AccountNumber
  readonly epoch: Epoch
  readonly tag: Uint8Array
}

export class ResumeTickets {
  readonly #secret: Uint8Array

  constructor(secret: Uint8Array) {
    this.#secret = secret
  }

  issue({ number, verifier }: Account, epoch: Epoch): ResumePass {
    const body = Buffer.alloc(BODY_BYTES)
    body.writeUInt8(VERSION)
    body.writeBigUInt64BE(BigInt(number), 1)
    body.writeBigUInt64BE(BigInt(epoch), 9)
    body.set(tagOf(verifier), 17)
    const ticket = concatBytes(body, this.#mac(body))
    return { ticket, key: this.keyOf(ticket) }
  }

  /** What a ticket says; `undefined` unless this server wrote it. */
  read(ticket: Uint8Array): TicketClaim | undefined {
    if (ticket.length !== BODY_BYTES + MAC_BYTES) return undefined
    const body = asBuffer(ticket).subarray(0, BODY_BYTES)
    if (!timingSafeEqual(this.#mac(body), ticket.subarray(BODY_BYTES))) return undefined
    if (body.readUInt8() !== VERSION) return undefined
    const number = Number(body.readBigUInt64BE(1))
    const epoch = Number(body.readBigUInt64BE(9))
    return { number, epoch, tag: body.subarray(17) }
  }

  keyOf(ticket: Uint8Array): Uint8Array {
    return hmacSha256(this.#secret, utf8('holler resume key'), ticket)
  }

  #mac(body: Uint8Array): Uint8Array {
    return hmacSha256(this.#secret, utf8('holler resume ticket'), body)
  }
}

/** Whether the account's password is still the one that the ticket was given for. */
export function isForPassword({ tag }: TicketClaim, verifier: PasswordVerifier): boolean {
  return equalBytes(tag, tagOf(verifier))
}

function tagOf({ salt, storedKey, serverKey }: PasswordVerifier): Uint8Array {
  return sha256(salt, storedKey, serverKey).subarray(0, TAG_BYTES)
}
