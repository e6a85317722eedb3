/**
 * `holler/reliable-udp`: the package's one entrance. `docs/reliable-udp.md` is the page for people,
 * `docs/examples/reliable-udp.mjs` a program that uses it.
 */
export {
  type BindAddress,
  connect,
  type ConnectOptions,
  Endpoint,
  type EndpointOptions,
  listen,
  type Peer,
  publicKeyOf,
} from './endpoint.ts'
export { type CloseInfo, ConnectionClosedError, StreamResetError } from './errors.ts'
export { type OpenStreamOptions, ReliableConnection } from './reliable-connection.ts'
export { ReliableStream } from './reliable-stream.ts'
