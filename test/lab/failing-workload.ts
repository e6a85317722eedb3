/**
 * A program that fills a store and then sends message after message, while strace makes system calls fail. Says which
 * were accepted and which refused. `node --import=tsx failing-workload.ts DIRECTORY`
 */
import { openLevelStore } from '../../src/io/level-store.ts'
import { openServerStore } from '../../src/server/store/kv-server-store.ts'
import { fillStore } from '../server/support/community.ts'
import { Sender } from './store-sender.ts'

const store = await openServerStore(await openLevelStore(process.argv[2] ?? ''))
await fillStore(store)
const sender = new Sender(store, await store.mail.reserve(10_000))
for (let n = 0; n < 60; n++) await sender.send(2)
const { accepted, refused } = sender
console.log(JSON.stringify({ accepted, refused }))
await store.close()
