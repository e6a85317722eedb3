import { type Endpoint, endpoint } from '../../src/core/endpoint.ts'

export function ipv4(address: string, port: number): Endpoint {
  return literal(address, port)
}

export function ipv6(address: string, port: number): Endpoint {
  return literal(address, port)
}

function literal(address: string, port: number): Endpoint {
  const result = endpoint(address, port)
  if (!result.ok) throw new Error(`${address}: ${result.why}`)
  return result.value
}
