import type { Method, Params, Result } from '../protocol/control/schema.ts'
import type { ControlClient } from './control-client.ts'

/** Answers one method; what it throws is told as an error. */
export type Handler<M extends Method> = (
  params: Params<M>,
  client: ControlClient,
) => Result<M> | Promise<Result<M>>

export type Handlers<M extends Method> = { readonly [K in M]: Handler<K> }
