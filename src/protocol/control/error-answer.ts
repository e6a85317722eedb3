/** Failures as JSON-RPC error objects: protocol faults by their numbers, ours with kind and details for scripts. */
import { createJSONRPCErrorResponse, type JSONRPCErrorResponse } from 'json-rpc-2.0'
import { HollerError } from '../../core/holler-error.ts'
import type { Logger } from '../../core/logger.ts'
import {
  type ControlErrorData,
  type ControlErrorKind,
  controlErrors,
  kindOfError,
} from './errors.ts'
import { ControlFault, type FaultExtras } from './control-fault.ts'

/** JSON-RPC 2.0 §5.1. */
export const PARSE_ERROR = -32700
export const INVALID_REQUEST = -32600
export const METHOD_NOT_FOUND = -32601

export type RequestIdentifier = string | number | null

/** The kinds that may be another time what they are not now. */
const RETRYABLE: ReadonlySet<ControlErrorKind> = new Set([
  'timeout',
  'rate_limited',
  'busy',
  'server_unreachable',
])

/** A fault of the protocol itself: the line, the request, the method. */
export function protocolFault(
  id: RequestIdentifier,
  code: number,
  kind: ControlErrorKind,
  message: string,
): JSONRPCErrorResponse {
  return createJSONRPCErrorResponse(id, code, message, dataOf(kind, message))
}

/** There is too much at once; the same may work later. */
export function busyFault(
  id: RequestIdentifier,
  message: string,
  retryAfterMs: number,
): JSONRPCErrorResponse {
  const data = dataOf('busy', message, { retryAfterMs })
  return createJSONRPCErrorResponse(id, controlErrors.busy.code, message, data)
}

/** Whatever a handler threw. What is no `HollerError` is a bug: logged here, told as `internal` without its text. */
export function errorAnswer(
  id: RequestIdentifier,
  error: unknown,
  logger: Logger,
): JSONRPCErrorResponse {
  if (!(error instanceof HollerError)) {
    const stack = error instanceof Error ? error.stack : String(error)
    logger.error('A request failed', { error: stack })
    return protocolFault(id, controlErrors.internal.code, 'internal', 'Internal error')
  }
  const kind = kindOfError[error.code]
  const extras = error instanceof ControlFault ? error.extras : {}
  const data = dataOf(kind, error.message, extras)
  return createJSONRPCErrorResponse(id, controlErrors[kind].code, error.message, data)
}

function dataOf(
  kind: ControlErrorKind,
  message: string,
  { retryAfterMs, details }: FaultExtras = {},
): ControlErrorData {
  return {
    kind,
    message,
    retryable: RETRYABLE.has(kind),
    ...(retryAfterMs === undefined ? {} : { retry_after_ms: Math.ceil(retryAfterMs) }),
    details: details ?? {},
  }
}
