import assert from 'node:assert/strict'
import type { ServerStore } from '../../src/server/store/server-store.ts'
import { ALICE, BOB } from '../server/support/community.ts'
import { testDevice } from '../server/support/test-device.ts'
import { bodyOf, idOf } from './store-promises.ts'

/** Sends messages to Bob, of which each is accepted or refused; how many may be refused is for the caller to judge. */
export class Sender {
  readonly accepted: number[] = []
  readonly refused: number[] = []
  readonly #store: ServerStore
  #next = 0
  #seq: number

  constructor(store: ServerStore, firstSeq: number) {
    this.#store = store
    this.#seq = firstSeq
  }

  /** So many at once. */
  async send(count: number): Promise<void> {
    const sends = Array.from({ length: count }, async () => {
      const n = this.#next++
      const { identity: device } = testDevice('alice').keys
      const mail = { owner: BOB, seq: this.#seq++, from: ALICE, device, messageId: idOf(n) }
      try {
        const outcome = await this.#store.mail.append({ ...mail, body: bodyOf(n) })
        assert.equal(outcome.kind, 'stored')
        this.accepted.push(n)
      } catch (error) {
        assert.equal((error as { code?: unknown }).code, 'STORE_UNUSABLE')
        this.refused.push(n)
      }
    })
    await Promise.all(sends)
  }
}

/** Which of them a store has for Bob, in the order in which it gives them. */
export async function sentIn(store: ServerStore): Promise<readonly number[]> {
  const mails = await store.mail.read(BOB, 0, { messages: 100_000, bytes: 1e9 })
  return mails.map(({ messageId }) => Buffer.from(messageId).readUInt32BE())
}
