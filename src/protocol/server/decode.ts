/** XML to messages of the server session. Unknown attributes and elements are ignored: there is room to grow. */
import { type Decoded, decoded, malformed } from '../../core/decoded.ts'
import type { ClientMessage, RequestId, ServerMessage } from './messages.ts'
import { attribute, type Part } from './parts.ts'
import { integer } from './scalars.ts'
import { clientMessages, serverMessages } from './tables.ts'
import { readXml, type XmlElement, type XmlLimits } from './xml.ts'

/** How the `why` of an unknown message begins: `unknown message "x"`. Such a one is answered `unsupported`. */
export const UNKNOWN_MESSAGE = 'unknown message'

/** A `Decoded` whose failure tells the request's id where one could be read, so that the answer can name it. */
export type DecodedMessage<M> =
  | { readonly ok: true; readonly value: M }
  | { readonly ok: false; readonly why: string; readonly id?: RequestId }

/** A client's longest message, a `report`, has 17. What goes beyond is work for the server, and says nothing. */
const FROM_CLIENTS: XmlLimits = { elements: 64 }

/** Reads the payload of one frame from a client. What only a server may say is unknown here. */
export function decodeClientMessage(bytes: Uint8Array): DecodedMessage<ClientMessage> {
  return decode<ClientMessage>(clientMessages, bytes, FROM_CLIENTS)
}

/** Reads the payload of one frame from a server. */
export function decodeServerMessage(bytes: Uint8Array): DecodedMessage<ServerMessage> {
  return decode<ServerMessage>(serverMessages, bytes, {})
}

const idPart = attribute('id', integer(1, 2 ** 32 - 1))

function decode<M>(
  table: Readonly<Record<string, unknown>>,
  bytes: Uint8Array,
  limits: XmlLimits,
): DecodedMessage<M> {
  const document = readXml(bytes, limits)
  if (!document.ok) return document
  const root = document.value
  const fields = readFields(table, root)
  // The table's part for this kind has read every other field of M.
  if (fields.ok) return decoded({ kind: root.name, ...fields.value } as M)
  const id = idPart.read(root)
  return id?.ok === true ? { ...fields, id: id.value } : fields
}

function readFields(
  table: Readonly<Record<string, unknown>>,
  root: XmlElement,
): Decoded<Record<string, unknown>> {
  if (!Object.hasOwn(table, root.name)) return malformed(`${UNKNOWN_MESSAGE} "${root.name}"`)
  const part = table[root.name] as Part<Record<string, unknown>>
  return part.read(root) ?? malformed(`empty <${root.name}>`)
}
