/**
 * What a stream's number says, so that no frame has to: who opened it, which way it goes, how urgent it is.
 *
 *     index · 16 + class · 4 + (unidirectional ? 2 : 0) + (opened by the responder ? 1 : 0)
 */
declare const streamId: unique symbol

export type StreamId = number & { readonly [streamId]: true }

/** Strict: while a more urgent class has something to send, a less urgent one sends nothing. */
export const streamPriorities = ['control', 'chat', 'bulk'] as const
export type StreamPriority = (typeof streamPriorities)[number]

export type StreamDirection = 'bidirectional' | 'unidirectional'
export type StreamSide = 'initiator' | 'responder'

/**
 * A kind is class and direction; each has its own numbering and its own limit, so that a hundred files under way
 * never keep a chat from opening its stream.
 */
export const STREAM_KINDS = streamPriorities.length * 2

/** Of one kind. Numbers stay below 2^31, where integer arithmetic is cheap; nobody opens a hundred million streams. */
export const MAX_STREAMS = 2 ** 27

export function streamKind(priority: StreamPriority, direction: StreamDirection): number {
  return streamPriorities.indexOf(priority) * 2 + (direction === 'unidirectional' ? 1 : 0)
}

export function streamIdOf(side: StreamSide, kind: number, index: number): StreamId {
  return (index * 16 + kind * 2 + (side === 'responder' ? 1 : 0)) as StreamId
}

/** Below `STREAM_KINDS` for streams that exist; the fourth class is reserved. */
export function kindOf(stream: StreamId): number {
  return (stream >> 1) & 7
}

export function indexOf(stream: StreamId): number {
  return Math.floor(stream / 16)
}

export function sideOf(stream: StreamId): StreamSide {
  return (stream & 1) === 0 ? 'initiator' : 'responder'
}

export function isUnidirectional(stream: StreamId): boolean {
  return (stream & 2) !== 0
}

export function priorityOf(stream: StreamId): StreamPriority {
  return streamPriorities[((stream >> 2) & 3) as 0 | 1 | 2]
}
