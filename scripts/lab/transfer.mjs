/**
 * A file and a chat beside it by `holler/reliable-udp`, as it is built:
 *
 *     transfer.mjs receive ADDRESS PORT               tells its key, what has come, and what of the chat was late
 *     transfer.mjs send ADDRESS PORT KEY MEGABYTES    ends when the receiver has named the file's hash
 *
 * One JSON value a line on stdout. Two streams of one connection: `f` begins the file's, `c` the chat's, whose lines are
 * their number and when they were said.
 */
import { Buffer } from 'node:buffer'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { setTimeout as wait } from 'node:timers/promises'
import { connect, listen } from '../../dist/library/reliable-udp.js'

/** Longer than any outage here: a connection is to outlive it. */
const IDLE_TIMEOUT_MS = 180_000

const LINE_EVERY_MS = 100
const CHUNK_BYTES = 64 * 1024
const FILE = 'f'.charCodeAt(0)
const protocol = 'laboratory/1'

const [mode, address, port, key, megabytes] = process.argv.slice(2)
const print = (value) => process.stdout.write(`${JSON.stringify(value)}\n`)

function receiveFile(stream) {
  const hash = createHash('sha256')
  let bytes = 0
  stream.on('end', () => stream.end(hash.digest('hex')))
  return (chunk) => {
    hash.update(chunk)
    bytes += chunk.length
    print({ kind: 'progress', bytes, at: Date.now() })
  }
}

function receiveChat(stream) {
  let lines = 0
  let slowestMs = 0
  let rest = ''
  stream.on('end', () => stream.end(JSON.stringify({ lines, slowestMs })))
  const take = (line) => {
    const [number, saidAt] = line.split(' ').map(Number)
    if (number !== lines) print({ kind: 'disorder', expected: lines, number })
    lines += 1
    slowestMs = Math.max(slowestMs, Date.now() - saidAt)
  }
  return (chunk) => {
    const whole = (rest + String(chunk)).split('\n')
    rest = whole.pop()
    whole.forEach(take)
  }
}

async function receive() {
  const server = await listen({
    secretKey: randomBytes(32),
    protocol,
    sockets: [{ address, port: Number(port) }],
    idleTimeoutMs: IDLE_TIMEOUT_MS,
    accept: () => true,
  })
  server.on('connection', (connection) => {
    connection.on('stream', (stream) => {
      let take
      stream.on('data', (chunk) => {
        const isFirst = take === undefined
        take ??= chunk[0] === FILE ? receiveFile(stream) : receiveChat(stream)
        take(isFirst ? chunk.subarray(1) : chunk)
      })
    })
  })
  print({ kind: 'listening', key: Buffer.from(server.publicKey).toString('hex') })
}

async function sendFile(stream) {
  const hash = createHash('sha256')
  const answer = text(stream)
  stream.write('f')
  for (let left = megabytes * 1_000_000; left > 0; left -= CHUNK_BYTES) {
    const chunk = randomBytes(Math.min(CHUNK_BYTES, left))
    hash.update(chunk)
    if (!stream.write(chunk)) await once(stream, 'drain')
  }
  stream.end()
  return (await answer) === hash.digest('hex')
}

/** Until the file is there. */
async function sendChat(stream, file) {
  const answer = text(stream)
  let said = 0
  let isOver = false
  void file.finally(() => (isOver = true))
  stream.write('c')
  while (!isOver) {
    stream.write(`${said} ${Date.now()}\n`)
    said += 1
    await wait(LINE_EVERY_MS)
  }
  stream.end()
  return { said, ...JSON.parse(await answer) }
}

async function send() {
  const connection = await connect({
    ...{ secretKey: randomBytes(32), protocol, idleTimeoutMs: IDLE_TIMEOUT_MS },
    ...{ address, port: Number(port), remoteStatic: Buffer.from(key, 'hex') },
  })
  const file = sendFile(connection.openStream({ priority: 'bulk' }))
  const chatting = sendChat(connection.openStream({ priority: 'chat' }), file)
  const isWhole = await file
  print({ kind: 'done', isWhole, chat: await chatting })
  await connection.close(0, 'done')
}

await (mode === 'receive' ? receive() : send())
