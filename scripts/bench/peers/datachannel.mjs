/** WebRTC data channels: libdatachannel (usrsctp over DTLS). Signals go through the bench. */
import nodeDataChannel from 'node-datachannel'
import { Pipe } from '../pipe.mjs'

/** As browsers are advised: larger messages are not interoperable. */
const MESSAGE_BYTES = 64 * 1024
const HIGH_WATER_BYTES = 1024 * 1024

export async function connect(role, { own }) {
  const connection = new nodeDataChannel.PeerConnection(role, {
    iceServers: [],
    bindAddress: own.address,
    maxMessageSize: MESSAGE_BYTES,
  })
  connection.onLocalDescription((sdp, type) => process.send({ kind: 'signal', sdp, type }))
  connection.onLocalCandidate((candidate, mid) => process.send({ kind: 'signal', candidate, mid }))
  process.on('message', (message) => {
    if (message.kind !== 'signal') return
    if (message.sdp !== undefined) connection.setRemoteDescription(message.sdp, message.type)
    else connection.addRemoteCandidate(message.candidate, message.mid)
  })
  const pipes = {}
  if (role === 'client') {
    const opened = []
    for (const name of ['bulk', 'chat']) {
      const channel = connection.createDataChannel(name)
      opened.push(new Promise((resolve) => channel.onOpen(resolve)))
      pipes[name] = pipeOf(channel)
    }
    await Promise.all(opened)
  } else {
    await new Promise((resolve) => {
      connection.onDataChannel((channel) => {
        pipes[channel.getLabel()] = pipeOf(channel)
        if (pipes.bulk !== undefined && pipes.chat !== undefined) resolve()
      })
      process.send({ kind: 'listening' })
    })
  }
  return { ...pipes, connection, close: async () => connection.close() }
}

function pipeOf(channel) {
  const pipe = new Pipe((bytes) => {
    for (let at = 0; at < bytes.length; at += MESSAGE_BYTES) {
      channel.sendMessageBinary(Buffer.from(bytes.subarray(at, at + MESSAGE_BYTES)))
    }
    return channel.bufferedAmount() < HIGH_WATER_BYTES
  })
  pipe.channel = channel // kept from the garbage collector
  channel.setBufferedAmountLowThreshold(HIGH_WATER_BYTES / 2)
  channel.onBufferedAmountLow(() => pipe.emit('drain'))
  channel.onMessage((message) => pipe.emit('data', message))
  return pipe
}
