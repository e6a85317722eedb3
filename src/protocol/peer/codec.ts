/**
 * Peer messages to protobuf and back: one `PeerMessage` of `peer.proto` each, without the length in front.
 *
 * The generated code believes everything it is given: it writes 0 for a bigint, cuts numbers, hands out views of the
 * datagram and takes any number of repeated fields. So nothing reaches it unchecked, and nothing leaves it unchecked.
 */
import { fromHex } from '../../core/bytes.ts'
import { type Decoded, decoded, malformed } from '../../core/decoded.ts'
import { HollerError } from '../../core/holler-error.ts'
import { holler } from './generated/peer.js'
import { MESSAGE_ID_BYTES, messageIdOf, parseMessageId } from './message-id.ts'
import {
  MAX_RECEIPT_IDS,
  MAX_TEXT_BYTES,
  type MessageId,
  type PeerMessage,
  type Receipt,
  type Resend,
  type TextMessage,
} from './peer-message.ts'

/** The longest text, and room for the other fields (58 bytes) and for small ones to come. */
export const MAX_PEER_MESSAGE_BYTES = MAX_TEXT_BYTES + 1024

// The largest moment that a JavaScript date can be.
const MAX_TIME_MS = 8.64e15

const { PeerMessage: Wire, Receipt: WireReceipt } = holler.peer

/** @throws {HollerError} TOO_LARGE for a text beyond MAX_TEXT_BYTES. Lone surrogates are sent as U+FFFD. */
export function encodePeerMessage(message: PeerMessage): Uint8Array {
  switch (message.kind) {
    case 'text':
      return Wire.encode({ text: textFields(message) }).finish()
    case 'receipt':
      return Wire.encode({ receipt: receiptFields(message) }).finish()
    case 'resend':
      return Wire.encode({ resend: { ids: idsBytes(message.ids) } }).finish()
  }
}

/** Reads one message; nothing of it is a view of `bytes`. Unknown fields are ignored. */
export function decodePeerMessage(bytes: Uint8Array): Decoded<PeerMessage> {
  if (bytes.length > MAX_PEER_MESSAGE_BYTES) return malformed('peer message too long')
  const message = wireMessage(bytes)
  switch (message?.body) {
    case 'text':
      return readText(message.text)
    case 'receipt':
      return readReceipt(message.receipt)
    case 'resend':
      return readResend(message.resend)
    case undefined:
      return malformed(message === undefined ? 'not protobuf' : 'unknown peer message')
  }
}

function wireMessage(bytes: Uint8Array): holler.peer.PeerMessage.$Shape | undefined {
  try {
    return Wire.decode(bytes)
  } catch {
    return undefined
  }
}

function textFields(message: TextMessage): holler.peer.Text.$Properties {
  const text = message.text.replace(/\p{Surrogate}/gu, '\uFFFD')
  const length = Buffer.byteLength(text)
  if (length > MAX_TEXT_BYTES) throw new HollerError('TOO_LARGE', `A text of ${length} bytes`)
  return {
    id: idBytes(message.id),
    sequence: checked(message.sequence, 1, Number.MAX_SAFE_INTEGER),
    sentAtMs: checked(message.sentAtMs, 0, MAX_TIME_MS),
    text,
    ...(message.replyTo !== undefined && { replyTo: idBytes(message.replyTo) }),
  }
}

function receiptFields({ state, ids }: Receipt): holler.peer.Receipt.$Properties {
  const { DELIVERED, READ } = WireReceipt.State
  return { state: state === 'read' ? READ : DELIVERED, ids: idsBytes(ids) }
}

function idsBytes(ids: readonly MessageId[]): Uint8Array[] {
  if (ids.length === 0 || ids.length > MAX_RECEIPT_IDS) {
    throw new RangeError(`${ids.length} message ids`)
  }
  return ids.map(idBytes)
}

function readText(fields: holler.peer.Text.$Shape): Decoded<TextMessage> {
  const id = readId(fields.id)
  if (id === undefined) return malformed('text without an id')
  const sequence = readFixed64(fields.sequence, 1, Number.MAX_SAFE_INTEGER)
  if (sequence === undefined) return malformed('sequence out of range')
  const sentAtMs = readFixed64(fields.sentAtMs, 0, MAX_TIME_MS)
  if (sentAtMs === undefined) return malformed('time out of range')
  const text = fields.text ?? ''
  if (Buffer.byteLength(text) > MAX_TEXT_BYTES) return malformed('text too long')
  const message = { kind: 'text', id, sequence, sentAtMs, text } as const
  if (fields.replyTo === null || fields.replyTo === undefined || fields.replyTo.length === 0) {
    return decoded(message)
  }
  const replyTo = readId(fields.replyTo)
  return replyTo === undefined
    ? malformed('reply to a malformed id')
    : decoded({ ...message, replyTo })
}

function readReceipt(fields: holler.peer.Receipt.$Shape): Decoded<Receipt> {
  const state = readState(fields.state)
  if (state === undefined) return malformed('unknown receipt state')
  const ids = readIds(fields.ids)
  return ids.ok ? decoded({ kind: 'receipt', state, ids: ids.value }) : ids
}

function readResend(fields: holler.peer.Resend.$Shape): Decoded<Resend> {
  const ids = readIds(fields.ids)
  return ids.ok ? decoded({ kind: 'resend', ids: ids.value }) : ids
}

function readIds(list: readonly Uint8Array[] | null | undefined): Decoded<readonly MessageId[]> {
  const count = list?.length ?? 0
  if (count === 0 || count > MAX_RECEIPT_IDS) return malformed('no ids or too many')
  const ids: MessageId[] = []
  for (const bytes of list ?? []) {
    const id = readId(bytes)
    if (id === undefined) return malformed('a malformed id')
    ids.push(id)
  }
  return decoded(ids)
}

function readState(state: number | null | undefined): Receipt['state'] | undefined {
  if (state === WireReceipt.State.DELIVERED) return 'delivered'
  return state === WireReceipt.State.READ ? 'read' : undefined
}

function idBytes(id: MessageId): Uint8Array {
  if (parseMessageId(id) === undefined) throw new RangeError('Not a message id')
  return fromHex(id)
}

function readId(bytes: Uint8Array | null | undefined): MessageId | undefined {
  return bytes?.length === MESSAGE_ID_BYTES ? messageIdOf(bytes) : undefined
}

/** protobufjs writes safe integers exactly, and everything else as something else. */
function checked(value: number, least: number, most: number): number {
  if (!Number.isSafeInteger(value) || value < least || value > most) {
    throw new RangeError(`${value} is not within ${least} and ${most}`)
  }
  return value
}

/** A fixed64 as it is decoded: protobufjs makes objects of the package `long`. */
type Fixed64 = holler.peer.Text['sequence']

function readFixed64(
  value: Fixed64 | null | undefined,
  least: number,
  most: number,
): number | undefined {
  const number = Number(value ?? 0) // `valueOf` of a Long rounds; what was rounded is not safe
  return Number.isSafeInteger(number) && number >= least && number <= most ? number : undefined
}
