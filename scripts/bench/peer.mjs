/**
 * One of the two processes of a run: connects by a transport, then does its half of a workload. Spoken to by IPC
 * (`run.ts`). Times between the two are of one clock, CLOCK_MONOTONIC, in milliseconds.
 */
import { createHash, randomBytes } from 'node:crypto'

const clock = () => Number(process.hrtime.bigint()) / 1e6

const RANDOM = randomBytes(1024 * 1024)
const CHUNK = Buffer.alloc(64 * 1024, 7)
const MESSAGE_BYTES = 100
const MESSAGE = Buffer.alloc(MESSAGE_BYTES)
/** Until what runs has been compiled. */
const WARM_UP_PINGS = 5_000
/** What is still on its way when the last message was sent has this long to come. */
const GRACE_MS = 5_000
const SAMPLE_MS = 50

process.once('message', ({ transport, role, addresses, workload }) => {
  run(transport, role, addresses, workload).catch((error) => {
    process.send({ kind: 'failed', why: String(error?.stack ?? error) })
    process.exit(1)
  })
})
process.on('disconnect', () => process.exit(0))

async function run(transport, role, addresses, workload) {
  const { connect } = await import(`./peers/${transport}.mjs`)
  const pipes = await connect(role, addresses)
  process.send({ kind: 'connected' })
  const half = workloads[workload.kind][role]
  const started = new Promise((resolve) => {
    process.on('message', ({ kind }) => kind === 'start' && resolve())
  })
  const finish = half(pipes, workload, started)
  const result = await finish
  process.send({ kind: 'result', result, stats: pipes.stats?.(), memory: process.memoryUsage() })
}

/** Writes as fast as the pipe takes it, until `isDone` after some chunk. */
function writeAll(pipe, nextChunk) {
  return new Promise((resolve) => {
    const pump = () => {
      for (;;) {
        const chunk = nextChunk()
        if (chunk === undefined) {
          pipe.off('drain', pump)
          resolve()
          return
        }
        if (!pipe.write(chunk)) return
      }
    }
    pipe.on('drain', pump)
    pump()
  })
}

/** Until the other side says that all has come. */
async function sendBytes(pipe, bytes) {
  const answer = received(pipe, 1)
  let left = bytes
  await writeAll(pipe, () => {
    if (left <= 0) return undefined
    const chunk = CHUNK.subarray(0, Math.min(left, CHUNK.length))
    left -= chunk.length
    return chunk
  })
  await answer
}

const sleepUntil = (at) => new Promise((resolve) => setTimeout(resolve, Math.max(0, at - clock())))

function received(pipe, bytes) {
  return new Promise((resolve) => {
    let left = bytes
    const take = (data) => {
      left -= data.length
      if (left > 0) return
      pipe.off('data', take)
      resolve()
    }
    pipe.on('data', take)
  })
}

/** Sends `count` messages, one each `everyMs`, with the time of sending in each. */
async function sendMessages(pipe, startAt, everyMs, count) {
  for (let n = 0; n < count; n++) {
    await sleepUntil(startAt + n * everyMs)
    const message = Buffer.alloc(MESSAGE_BYTES)
    message.writeDoubleLE(clock())
    pipe.write(message)
  }
}

/** One-way times of `count` messages; what did not come in time is missing. */
function takeMessages(pipe, count, giveUpAfterMs) {
  return new Promise((resolve) => {
    const latencies = []
    let rest = Buffer.alloc(0)
    const timer = setTimeout(() => resolve(latencies), giveUpAfterMs)
    pipe.on('data', (data) => {
      const now = clock()
      let bytes = rest.length === 0 ? Buffer.from(data) : Buffer.concat([rest, data])
      for (; bytes.length >= MESSAGE_BYTES; bytes = bytes.subarray(MESSAGE_BYTES)) {
        latencies.push(now - bytes.readDoubleLE(0))
      }
      rest = bytes
      if (latencies.length < count) return
      clearTimeout(timer)
      resolve(latencies)
    })
  })
}

/** How many bytes had come by when. */
function sampleBytes(pipe) {
  let total = 0
  const samples = []
  pipe.on('data', (data) => (total += data.length))
  const timer = setInterval(() => samples.push([clock(), total]), SAMPLE_MS)
  return () => {
    clearInterval(timer)
    samples.push([clock(), total])
    return samples
  }
}

/** A window into random bytes that moves, so that no two chunks in a row are alike. */
function soakChunk(offset) {
  const from = (offset / 64) % (RANDOM.length - CHUNK.length)
  return Buffer.from(RANDOM.subarray(Math.floor(from), Math.floor(from) + CHUNK.length))
}

function watchMemory(bytes) {
  const taken = []
  const used = () => {
    const { heapUsed, external } = process.memoryUsage()
    return heapUsed + external
  }
  // Of many samples the least counts: what the garbage collector has not come to yet is no leak.
  return {
    note(done) {
      const slot = Math.floor((20 * done) / bytes)
      taken[slot] = Math.min(taken[slot] ?? Infinity, used())
    },
    result: () => ({
      early: Math.min(...taken.slice(4, 8)),
      late: Math.min(...taken.slice(15, 19)),
    }),
  }
}

const chunksUntil = (at) => () => (clock() < at ? CHUNK : undefined)

const workloads = {
  /** So many bytes, then a byte back; before it the same with `warmUpBytes`, so that what compiles has compiled. */
  bulk: {
    async client({ bulk }, { warmUpBytes, bytes }, started) {
      await started
      await sendBytes(bulk, warmUpBytes)
      const startedAt = clock()
      process.send({ kind: 'mark', name: 'start' })
      await sendBytes(bulk, bytes)
      process.send({ kind: 'mark', name: 'end' })
      return { ms: clock() - startedAt }
    },
    async server({ bulk }, { warmUpBytes, bytes }) {
      for (const phaseBytes of [warmUpBytes, bytes]) {
        await received(bulk, phaseBytes)
        bulk.write(Buffer.alloc(1))
      }
      return {}
    },
  },
  pingPong: {
    async client({ chat }, { count }, started) {
      await started
      const message = Buffer.alloc(MESSAGE_BYTES)
      const times = []
      for (let n = -WARM_UP_PINGS; n < count; n++) {
        if (n === 0) process.send({ kind: 'mark', name: 'start' })
        const sentAt = clock()
        const answer = new Promise((resolve) => {
          let left = MESSAGE_BYTES
          const take = (data) => {
            left -= data.length
            if (left > 0) return
            chat.off('data', take)
            resolve()
          }
          chat.on('data', take)
        })
        chat.write(message)
        await answer
        if (n >= 0) times.push(clock() - sentAt)
      }
      process.send({ kind: 'mark', name: 'end' })
      return { latencies: times }
    },
    async server({ chat }, { count }) {
      let left = (WARM_UP_PINGS + count) * MESSAGE_BYTES
      await new Promise((resolve) => {
        chat.on('data', (data) => {
          chat.write(Buffer.from(data))
          left -= data.length
          if (left <= 0) resolve()
        })
      })
      return {}
    },
  },
  /** So many small messages, each with a write of its own, then a byte back. */
  pipelined: {
    async client({ bulk }, { warmUpCount, count }, started) {
      await started
      const sendMessages = async (messages) => {
        const answer = received(bulk, 1)
        let left = messages
        await writeAll(bulk, () => (left-- > 0 ? MESSAGE : undefined))
        await answer
      }
      await sendMessages(warmUpCount)
      const startedAt = clock()
      process.send({ kind: 'mark', name: 'start' })
      await sendMessages(count)
      process.send({ kind: 'mark', name: 'end' })
      return { ms: clock() - startedAt }
    },
    async server({ bulk }, { warmUpCount, count }) {
      for (const messages of [warmUpCount, count]) {
        await received(bulk, messages * MESSAGE_BYTES)
        bulk.write(Buffer.alloc(1))
      }
      return {}
    },
  },
  /** A file for so long; beside it, perhaps, messages from `chatFrom` to `chatTo`. */
  timed: {
    async client({ bulk, chat }, { seconds, chatFrom, chatTo, everyMs }, started) {
      await started
      const startedAt = clock()
      process.send({ kind: 'mark', name: 'start' })
      const chatting =
        everyMs === undefined
          ? undefined
          : sendMessages(
              chat,
              startedAt + chatFrom * 1000,
              everyMs,
              Math.round(((chatTo - chatFrom) * 1000) / everyMs),
            )
      // A pipe that stands still never calls back: time ends the run as well.
      const endAt = startedAt + seconds * 1000
      await Promise.race([writeAll(bulk, chunksUntil(endAt)), sleepUntil(endAt)])
      process.send({ kind: 'mark', name: 'end' })
      await chatting
      return { startedAt }
    },
    async server({ bulk, chat }, { seconds, chatFrom, chatTo, everyMs }, started) {
      const stop = sampleBytes(bulk)
      await started
      const count = everyMs === undefined ? 0 : Math.round(((chatTo - chatFrom) * 1000) / everyMs)
      const limitMs = seconds * 1000 + GRACE_MS
      const messages = count === 0 ? [] : takeMessages(chat, count, limitMs)
      await sleepUntil(clock() + seconds * 1000 + 500)
      return { latencies: await messages, count, samples: stop() }
    },
  },
  /** Pseudo-random bytes, hashed on both sides; memory after a quarter and at the end. */
  soak: {
    async client({ bulk }, { bytes }, started) {
      await started
      const hash = createHash('sha256')
      const answer = received(bulk, 1)
      const memory = watchMemory(bytes)
      const startedAt = clock()
      let sent = 0
      await writeAll(bulk, () => {
        if (sent >= bytes) return undefined
        const chunk = soakChunk(sent).subarray(0, Math.min(CHUNK.length, bytes - sent))
        hash.update(chunk)
        sent += chunk.length
        memory.note(sent)
        return chunk
      })
      await answer
      return { ms: clock() - startedAt, digest: hash.digest('hex'), ...memory.result() }
    },
    async server({ bulk }, { bytes }) {
      const hash = createHash('sha256')
      const memory = watchMemory(bytes)
      let left = bytes
      await new Promise((resolve) => {
        bulk.on('data', (data) => {
          hash.update(data)
          left -= data.length
          memory.note(bytes - left)
          if (left <= 0) resolve()
        })
      })
      bulk.write(Buffer.alloc(1))
      return { digest: hash.digest('hex'), ...memory.result() }
    },
  },
  messages: {
    async client({ chat }, { seconds, everyMs }, started) {
      await started
      process.send({ kind: 'mark', name: 'start' })
      await sendMessages(chat, clock(), everyMs, Math.round((seconds * 1000) / everyMs))
      process.send({ kind: 'mark', name: 'end' })
      return {}
    },
    async server({ chat }, { seconds, everyMs }) {
      const count = Math.round((seconds * 1000) / everyMs)
      return { latencies: await takeMessages(chat, count, seconds * 1000 + 2 * GRACE_MS), count }
    },
  },
}
