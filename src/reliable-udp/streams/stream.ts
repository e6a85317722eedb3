import { ReceiveStream } from './receive-stream.ts'
import { SendStream } from './send-stream.ts'
import {
  isUnidirectional,
  sideOf,
  type StreamId,
  type StreamPriority,
  priorityOf,
  type StreamSide,
} from './stream-id.ts'

/** Both halves of a stream as far as they exist, and what the room around it must not forget. */
export interface Stream {
  readonly id: StreamId
  readonly priority: StreamPriority
  readonly send: SendStream | undefined
  readonly receive: ReceiveStream | undefined
  /** Waits for its turn to send. */
  isQueued: boolean
  /** Waits aside for the connection's flow control. */
  isWithoutCredit: boolean
  /** Its last `write` took less than was offered. */
  isWriterWaiting: boolean
  /** Control frames to be sent for it. */
  owesReset: boolean
  owesStop: boolean
  owesWindow: boolean
  stopCode: number
}

export function newStream(
  id: StreamId,
  ownSide: StreamSide,
  sendLimit: number,
  receiveWindow: number,
): Stream {
  const isOurs = sideOf(id) === ownSide
  const sends = isOurs || !isUnidirectional(id)
  const receives = !isOurs || !isUnidirectional(id)
  return {
    id,
    priority: priorityOf(id),
    send: sends ? new SendStream(id, sendLimit) : undefined,
    receive: receives ? new ReceiveStream(id, receiveWindow) : undefined,
    isQueued: false,
    isWithoutCredit: false,
    isWriterWaiting: false,
    owesReset: false,
    owesStop: false,
    owesWindow: false,
    stopCode: 0,
  }
}

/** Nothing can happen to it any more, so its number is enough to know it by. */
export function isOver(stream: Stream): boolean {
  const sendIsOver = stream.send === undefined || stream.send.isSettled
  const receiveIsOver = stream.receive === undefined || stream.receive.isFinished
  return sendIsOver && receiveIsOver
}
