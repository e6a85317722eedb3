/** Raw datagrams over the line: `echo ADDRESS` answers, `ask ADDRESS` measures and prints JSON. */
import dgram from 'node:dgram'
import { once } from 'node:events'

const PORT = 29_999
const QUESTIONS = 1_000
const QUESTION_BYTES = 100
/** Of full packets, as many as the asker is told: how long they take tells the rate. */
const TRAIN_BYTES = 1_472
const TRAINS = 3
const IP_BYTES = 28
const LATEST_ANSWER_MS = 200

/** One clock for both processes. */
const clock = () => Number(process.hrtime.bigint()) / 1e6

const [what, address, trainPackets] = process.argv.slice(2)
const socket = dgram.createSocket({ type: 'udp4', recvBufferSize: 4 * 1024 * 1024 })

if (what === 'echo') {
  let [begunAt, last, bytes] = [0, 0, 0]
  socket.on('message', (message, from) => {
    if (message.length === QUESTION_BYTES) {
      socket.send(message, from.port, from.address)
    } else if (message.length === TRAIN_BYTES) {
      const sentAt = message.readDoubleLE(0)
      if (sentAt !== begunAt) bytes = 0
      begunAt = sentAt
      last = clock()
      bytes += TRAIN_BYTES + IP_BYTES
    } else {
      for (let n = 0; n < 5; n++) {
        socket.send(JSON.stringify({ begunAt, last, bytes }), from.port, from.address)
      }
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
      const { begunAt, last, bytes } = JSON.parse(String(message))
      const elapsedMs = last - begunAt - leastRttMs / 2
      // Who reads late makes the line look slower, never faster.
      rateBytesPerSecond = Math.max(rateBytesPerSecond, bytes / (elapsedMs / 1000))
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
  for (let attempt = 0; attempt < TRAINS; attempt++) {
    const packet = Buffer.alloc(TRAIN_BYTES)
    packet.writeDoubleLE(clock())
    for (let n = 0; n < Number(trainPackets); n++) socket.send(packet, PORT, address)
    await sleep(2 * LATEST_ANSWER_MS)
    for (let n = 0; n < 5; n++) socket.send('?', PORT, address)
    await sleep(LATEST_ANSWER_MS)
  }
  console.log(JSON.stringify({ leastRttMs, sent: QUESTIONS, answered, rateBytesPerSecond }))
  socket.close()
}

function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
