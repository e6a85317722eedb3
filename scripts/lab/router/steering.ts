/**
 * The kernel's part of a router: what comes from the hosts or the internet is routed into the TUN device of its side,
 * whatever its destination; what comes out of a TUN device goes where it is addressed. Needs no address on the
 * devices, so that the public ones may change at any time.
 */
import { execFileSync } from 'node:child_process'

export interface Steering {
  /** A TUN device in the namespace of this process, and what it is called there. */
  readonly tun: string
  readonly into: string
  readonly from: string
  /** A routing table of its own. */
  readonly table: number
}

export function steer(namespace: string, ways: readonly Steering[]): void {
  ip(
    [],
    ways.map(({ tun, into }) => `link set ${tun} netns ${namespace} name ${into}`),
  )
  // Or the kernel would ask for routers there.
  const settings = ways.map(({ into }) => `net.ipv6.conf.${into}.disable_ipv6=1`)
  execFileSync('ip', ['netns', 'exec', namespace, 'sysctl', '-qw', ...settings])
  ip(
    ['-n', namespace],
    ways.flatMap(({ into, from, table }) => [
      `link set ${into} up`,
      `route add default dev ${into} table ${table}`,
      `rule add iif ${from} lookup ${table}`,
    ]),
  )
}

function ip(flags: readonly string[], commands: readonly string[]): void {
  const input = `${commands.join('\n')}\n`
  execFileSync('ip', [...flags, '-batch', '-'], { input, stdio: ['pipe', 'ignore', 'inherit'] })
}
