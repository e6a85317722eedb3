/** Messages of the server session to XML: one frame's payload, without the length in front (`tcp/frame.ts`). */
import type { ClientMessage, ServerMessage } from './messages.ts'
import { type Part, toElement } from './parts.ts'
import { clientMessages, serverMessages } from './tables.ts'
import { writeXml } from './xml.ts'

/** @throws {HollerError} INVALID_PARAMS for a field out of its bounds, TOO_LARGE for a message beyond 96 KiB. */
export function encodeClientMessage(message: ClientMessage): Uint8Array {
  return encode(clientMessages[message.kind], message)
}

/** @throws {HollerError} INVALID_PARAMS for a field out of its bounds, TOO_LARGE for a message beyond 96 KiB. */
export function encodeServerMessage(message: ServerMessage): Uint8Array {
  return encode(serverMessages[message.kind], message)
}

// A table's part takes exactly the message of its own kind, which the types of a look-up by `kind` cannot say.
function encode(part: unknown, message: ClientMessage | ServerMessage): Uint8Array {
  return writeXml(toElement(message.kind, part as Part<unknown>, message))
}
