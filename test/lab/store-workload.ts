/**
 * A program that changes a server's store and says on stdout, one line each, what has been acknowledged to it, at the
 * moment that it was: `power-cut.lab.ts` traces its system calls. `node --import=tsx store-workload.ts DIRECTORY SEED`
 */
import { writeSync } from 'node:fs'
import { openLevelStore } from '../../src/io/level-store.ts'
import { openServerStore } from '../../src/server/store/kv-server-store.ts'
import type { Account } from '../../src/server/store/server-store.ts'
import { testDevice, verifierOf } from '../server/support/test-device.ts'
import { SeededRandom } from '../sim/seeded-random.ts'
import { TOLD } from './traced-writes.ts'
import { bodyOf, idOf, OWNERS, type Told } from './store-promises.ts'

/** Some 11 MiB: LevelDB's log is written out as a table twice and more. */
const ROUNDS = 90

const [directory = '', seed = '1'] = process.argv.slice(2)
const random = new SeededRandom(Number(seed))
const store = await openServerStore(await openLevelStore(directory))

function tell(told: Told): void {
  writeSync(1, `${TOLD}${JSON.stringify(told)}\n`)
}

const accounts: Account[] = []
for (let n = 0; n < OWNERS; n++) {
  const handle = `person${n}` as never
  const account = await store.createAccount({ handle, verifier: verifierOf('x'), createdAtMs: n })
  if (account === undefined) throw new Error('The handle was taken')
  accounts.push(account)
  tell({ kind: 'account', number: account.number })
}

let seq = await store.mail.reserve(100_000)
let count = 0
const kept: { owner: number; seq: number }[] = []
for (let round = 0; round < ROUNDS; round++) {
  const [size = 0, other = 0, choice = 0] = random.bytes(3)
  const appends = Array.from({ length: 1 + (size % 12) }, async () => {
    const n = count++
    const owner = accounts[n % OWNERS]?.number ?? 0
    const mail = { owner, seq: seq++, from: 10_001, device: testDevice('x').keys.identity }
    await store.mail.append({ ...mail, messageId: idOf(n), body: bodyOf(n) })
    kept.push(mail)
    tell({ kind: 'stored', owner, seq: mail.seq, n })
  })
  await Promise.all(appends)
  const removed = choice % 3 === 0 ? kept.splice(0, 1 + (choice % 7)) : []
  for (const mail of removed) {
    tell({ kind: 'removing', ...mail })
    await store.mail.remove(mail.owner, [mail.seq])
    tell({ kind: 'removed', ...mail })
  }
  const [first, second] = [accounts[round % OWNERS], accounts[other % OWNERS]]
  if (first !== undefined && second !== undefined && first !== second) {
    await store.changeRelation(first, second, () => ({ relation: 'accepted' }))
    tell({ kind: 'buddies', a: first.number, b: second.number })
  }
}
await store.close()
