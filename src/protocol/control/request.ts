/** What a line must be to be a request, and what its sender is told when it is not. */
import type { JSONRPCErrorResponse } from 'json-rpc-2.0'
import { z } from 'zod'
import { controlErrors } from './errors.ts'
import { LINE_TOO_LONG } from './json-lines.ts'
import { MAX_LINE_BYTES } from './json-lines.ts'
import {
  INVALID_REQUEST,
  PARSE_ERROR,
  protocolFault,
  type RequestIdentifier,
} from './error-answer.ts'

const identifier = z.union([z.string().max(256), z.number().int()])

/** JSON-RPC 2.0 §4, without batches, with named parameters, and with ids that fit into a log. */
const request = z.object({
  jsonrpc: z.literal('2.0'),
  method: z.string().max(128),
  params: z.exactOptional(z.record(z.string(), z.unknown())),
  id: z.exactOptional(identifier),
})

export type ControlRequest = z.infer<typeof request>

export function readRequest(value: unknown): ControlRequest | undefined {
  return request.safeParse(value).data
}

/** The id of whatever came, as far as it can be seen; `null` otherwise (JSON-RPC 2.0 §5). */
export function identifierOf(value: unknown): RequestIdentifier {
  if (typeof value !== 'object' || value === null || !('id' in value)) return null
  return identifier.safeParse(value.id).data ?? null
}

/** A line that is no JSON, or longer than a line may be. */
export function lineFault(why: string): JSONRPCErrorResponse {
  if (why !== LINE_TOO_LONG) return protocolFault(null, PARSE_ERROR, 'invalid_params', why)
  const message = `A line has at most ${MAX_LINE_BYTES} bytes`
  return protocolFault(null, controlErrors.too_large.code, 'too_large', message)
}

/** JSON, but no request. */
export function requestFault(value: unknown): JSONRPCErrorResponse {
  const message = Array.isArray(value)
    ? 'Batches are not supported: one request a line'
    : 'Not a JSON-RPC 2.0 request: {"jsonrpc":"2.0","id":1,"method":"…","params":{…}}'
  return protocolFault(identifierOf(value), INVALID_REQUEST, 'invalid_params', message)
}

/** In place of an answer that would be longer than a line may be. */
export function answerTooLong(answer: unknown): JSONRPCErrorResponse {
  const message = 'The answer is longer than a line may be; ask for less'
  return protocolFault(identifierOf(answer), controlErrors.too_large.code, 'too_large', message)
}
