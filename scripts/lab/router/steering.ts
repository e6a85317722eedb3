/**
 * The kernel's part of the router, in the namespace of this process: what comes from the hosts or the internet is routed
 * into the TUN device of its side, whatever its destination; what comes out of a TUN device goes where it is addressed.
 * Needs no address on the devices, so that the public ones may change at any time.
 */
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'

export interface Steering {
  /** A TUN device. */
  readonly into: string
  readonly from: string
  /** A routing table of its own. */
  readonly table: number
}

export function steer({ into, from, table }: Steering): void {
  writeFileSync(`/proc/sys/net/ipv6/conf/${into}/disable_ipv6`, '1') // or it would ask for routers there
  ip('link', 'set', into, 'up')
  ip('route', 'add', 'default', 'dev', into, 'table', `${table}`)
  ip('rule', 'add', 'iif', from, 'lookup', `${table}`)
}

function ip(...args: readonly string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'inherit'] })
}
