/** JSON-RPC dispatch for a table of methods, whose schemas judge what comes in and what goes out. */
import { JSONRPCServer } from 'json-rpc-2.0'
import type { z } from 'zod'
import { HollerError } from '../../core/holler-error.ts'
import type { Logger } from '../../core/logger.ts'
import { errorAnswer, METHOD_NOT_FOUND, protocolFault } from './error-answer.ts'

export type MethodTable = Readonly<
  Record<string, { readonly params: z.ZodType; readonly result: z.ZodType }>
>

/** One for each method of the table; the client is whoever asked. What it throws is told as an error. */
export type RpcHandlers<M extends MethodTable, Client> = {
  readonly [K in keyof M]: (
    params: z.output<M[K]['params']>,
    client: Client,
  ) => z.input<M[K]['result']> | Promise<z.input<M[K]['result']>>
}

export function rpcServer<M extends MethodTable, Client>(
  methods: M,
  handlers: RpcHandlers<M, Client>,
  logger: Logger,
): JSONRPCServer<Client> {
  // It would print errors; ours are logged where they become answers.
  const rpc = new JSONRPCServer<Client>({ errorListener: () => undefined })
  rpc.mapErrorToJSONRPCErrorResponse = (id, error) => errorAnswer(id, error, logger)
  rpc.handleMethodNotFound = ({ id, method }) => {
    const message = `No method "${method}"`
    const answer = protocolFault(id ?? null, METHOD_NOT_FOUND, 'unsupported', message)
    return Promise.resolve(id === undefined ? null : answer)
  }
  for (const [name, { params, result }] of Object.entries(methods)) {
    rpc.addMethod(name, async (given: unknown, client) => {
      const checked = params.safeParse(given ?? {})
      if (!checked.success) throw invalidParams(name, checked.error)
      // The table's type ties each method to its own parameters; looked up by name, TypeScript cannot see which it is.
      const handler = handlers[name] as (params: unknown, client: Client) => unknown
      // An answer that is not what the schema says is a bug here: it fails as one.
      return result.parse(await handler(checked.data, client))
    })
  }
  return rpc
}

function invalidParams(name: string, error: z.ZodError): HollerError {
  const [issue] = error.issues
  const where = issue === undefined || issue.path.length === 0 ? '' : ` "${issue.path.join('.')}"`
  return new HollerError('INVALID_PARAMS', `${name}: parameters${where}: ${issue?.message ?? '?'}`)
}
