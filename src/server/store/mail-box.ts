import type { AccountNumber, MailSeq } from '../../protocol/server/messages.ts'
import type { MailLimits, MailQuota } from './mail-store.ts'

export interface BoxEntry {
  readonly seq: MailSeq
  readonly from: AccountNumber
  /** Hex: the sender's device, and the message's id. */
  readonly device: string
  readonly message: string
  readonly bytes: number
  /** Resolves when it is on disk; rejects when it could not be written. */
  readonly stored: Promise<void>
}

type SameMessage = Pick<BoxEntry, 'from' | 'device' | 'message'>

const NOTHING: MailQuota = { messages: 0, bytes: 0 }

/** What waits for one owner, without the bodies. */
export class MailBox {
  readonly #entries = new Map<MailSeq, BoxEntry>() // ≤ MailLimits.owner
  readonly #seqs = new Map<string, MailSeq>() // the same, by message
  readonly #senders = new Map<AccountNumber, MailQuota>() // ≤ #entries
  #onChange: (change: MailQuota) => void = () => undefined
  #total = NOTHING

  /** Told from now on what comes, and, negative, what goes. */
  onChange(handler: (change: MailQuota) => void): void {
    this.#onChange = handler
  }

  get total(): MailQuota {
    return this.#total
  }

  get(seq: MailSeq): BoxEntry | undefined {
    return this.#entries.get(seq)
  }

  find(message: SameMessage): BoxEntry | undefined {
    const seq = this.#seqs.get(nameOf(message))
    return seq === undefined ? undefined : this.#entries.get(seq)
  }

  entries(): readonly BoxEntry[] {
    return [...this.#entries.values()]
  }

  whoIsFull(
    from: AccountNumber,
    bytes: number,
    { owner, sender }: MailLimits,
  ): 'owner' | 'sender' | undefined {
    if (!fits(this.#senders.get(from) ?? NOTHING, bytes, sender)) return 'sender'
    return fits(this.#total, bytes, owner) ? undefined : 'owner'
  }

  add(entry: BoxEntry): void {
    this.#entries.set(entry.seq, entry)
    this.#seqs.set(nameOf(entry), entry.seq)
    this.#count(entry, 1)
  }

  /** It is about to be deleted: the same message sent again from here on is a new one. */
  hide(entry: BoxEntry): void {
    this.#seqs.delete(nameOf(entry))
  }

  delete(entry: BoxEntry): void {
    if (!this.#entries.delete(entry.seq)) return
    const name = nameOf(entry)
    if (this.#seqs.get(name) === entry.seq) this.#seqs.delete(name)
    this.#count(entry, -1)
  }

  #count({ from, bytes }: BoxEntry, sign: 1 | -1): void {
    this.#total = plus(this.#total, bytes, sign)
    const sender = plus(this.#senders.get(from) ?? NOTHING, bytes, sign)
    if (sender.messages === 0) this.#senders.delete(from)
    else this.#senders.set(from, sender)
    this.#onChange({ messages: sign, bytes: sign * bytes })
  }
}

function nameOf({ from, device, message }: SameMessage): string {
  return `${from} ${device} ${message}`
}

function fits(used: MailQuota, bytes: number, most: MailQuota): boolean {
  return used.messages < most.messages && used.bytes + bytes <= most.bytes
}

function plus(used: MailQuota, bytes: number, sign: 1 | -1): MailQuota {
  return { messages: used.messages + sign, bytes: used.bytes + sign * bytes }
}
