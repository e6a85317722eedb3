/** Raw datagrams over the line: `echo ADDRESS` answers, `ask ADDRESS` measures and prints JSON. */
import dgram from 'node:dgram'
import { once } from 'node:events'

const PORT = 29_999
const QUESTIONS = 1_000
const QUESTION_BYTES = 100
/** A train of full packets that just fits the shortest queue of the scenarios: its length tells the rate. */
const TRAIN_PACKETS = 150
const TRAIN_BYTES = 1_472
const IP_BYTES = 28
const LATEST_ANSWER_MS = 200

const [what, address] = process.argv.slice(2)
const socket = dgram.createSocket({ type: 'udp4', recvBufferSize: 4 * 1024 * 1024 })

if (what === 'echo') {
  let [first, last, bytes] = [0, 0, 0]
  socket.on('message', (message, from) => {
    if (message.length === QUESTION_BYTES) {
      socket.send(message, from.port, from.address)
    } else if (message.length === TRAIN_BYTES) {
      last = performance.now()
      if (bytes === 0) first = last
      else bytes += TRAIN_BYTES + IP_BYTES
      if (bytes === 0) bytes = 1
    } else {
      const rate = bytes / ((last - first) / 1000)
      for (let n = 0; n < 5; n++) socket.send(String(rate), from.port, from.address)
    }
  })
  socket.bind(PORT, address)
  await once(socket, 'listening')
  console.log('listening')
} else {
  socket.bind(0)
  await once(socket, 'listening')
  const sentAt = []
  let leastRttMs = Infinity
  let answered = 0
  let rateBytesPerSecond = 0
  socket.on('message', (message) => {
    if (message.length !== QUESTION_BYTES) {
      rateBytesPerSecond = Number(String(message))
      return
    }
    answered += 1
    leastRttMs = Math.min(leastRttMs, performance.now() - sentAt[message.readUInt32LE(0)])
  })
  for (let n = 0; n < QUESTIONS; n++) {
    const question = Buffer.alloc(QUESTION_BYTES)
    question.writeUInt32LE(n)
    sentAt.push(performance.now())
    socket.send(question, PORT, address)
    if (n % 4 === 3) await sleep(1)
  }
  await sleep(LATEST_ANSWER_MS)
  for (let n = 0; n < TRAIN_PACKETS; n++) socket.send(Buffer.alloc(TRAIN_BYTES), PORT, address)
  await sleep(2 * LATEST_ANSWER_MS)
  for (let n = 0; n < 5; n++) socket.send('?', PORT, address)
  await sleep(LATEST_ANSWER_MS)
  console.log(JSON.stringify({ leastRttMs, sent: QUESTIONS, answered, rateBytesPerSecond }))
  socket.close()
}

function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
