/** Where two peers run: on the loopback of this machine, or in two namespaces with an impaired line between them. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { LinkConditions } from '../../test/sim/link.ts'
import { Namespaces } from '../lab/namespaces.ts'
import type { LinkPlan, LinkReport } from './link.ts'

export interface Place {
  readonly address: string
  /** Put before a command, it runs that command there. */
  readonly prefix: readonly string[]
}

/** A command as it has to be started to run there. */
export function commandIn(
  { prefix }: Place,
  [command, ...args]: readonly [string, ...string[]],
): [string, ...string[]] {
  const [first, ...rest] = prefix
  return first === undefined ? [command, ...args] : [first, ...rest, command, ...args]
}

export interface BenchNetwork {
  readonly left: Place
  readonly right: Place
  /** Of TCP connections that begin on the left from now on. */
  setTcpControl(name: 'cubic' | 'bbr'): Promise<void>
  /** What the line did. */
  close(): Promise<LinkReport | undefined>
}

export function loopback(): BenchNetwork {
  const here: Place = { address: '127.0.0.1', prefix: [] }
  return {
    left: here,
    right: here,
    setTcpControl: () => Promise.resolve(),
    close: () => Promise.resolve(undefined),
  }
}

const ALLOWED_CONTROLS = '/proc/sys/net/ipv4/tcp_allowed_congestion_control'
const LINK = fileURLToPath(new URL('link.ts', import.meta.url))
const ADDRESSES = { left: '10.99.0.1', right: '10.99.0.2' } as const
/** The device's own queue holds what comes while the line's process does not run; 500 would be 60 ms at 100 Mbit/s. */
const DEVICE_QUEUE_PACKETS = '5000'

/** Needs root. */
export async function impaired(conditions: LinkConditions, seed: number): Promise<BenchNetwork> {
  const namespaces = new Namespaces(`hbench-${process.pid}`)
  const [left, right] = [await namespaces.add('left'), await namespaces.add('right')]
  const plan: LinkPlan = { left: left.name, right: right.name, conditions, seed }
  const line = spawn(process.execPath, ['--import=tsx', LINK, JSON.stringify(plan)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const output: string[] = []
  line.stdout.setEncoding('utf8').on('data', (text: string) => output.push(text))
  await once(line.stdout, 'data')
  for (const [namespace, device, address] of [
    [left, 'bench-l', ADDRESSES.left],
    [right, 'bench-r', ADDRESSES.right],
  ] as const) {
    await namespace.run('ip', 'address', 'add', `${address}/24`, 'dev', device)
    await namespace.run('ip', 'link', 'set', device, 'txqueuelen', DEVICE_QUEUE_PACKETS)
    await namespace.run('ip', 'link', 'set', device, 'up')
  }
  return {
    left: { address: ADDRESSES.left, prefix: left.prefix },
    right: { address: ADDRESSES.right, prefix: right.prefix },
    async setTcpControl(name) {
      allowTcpControl(name)
      await left.run('sysctl', '-qw', `net.ipv4.tcp_congestion_control=${name}`)
    },
    async close() {
      await ended(line)
      await namespaces.close()
      return JSON.parse(output.join('').split('\n')[1] ?? 'null') as LinkReport | undefined
    },
  }
}

// A namespace may choose only what the whole system lets everybody choose. It stays so until the next start.
function allowTcpControl(name: string): void {
  const allowed = readFileSync(ALLOWED_CONTROLS, 'utf8').trim().split(' ')
  if (!allowed.includes(name)) writeFileSync(ALLOWED_CONTROLS, [...allowed, name].join(' '))
}

async function ended(line: ChildProcess): Promise<void> {
  const closed = once(line, 'close')
  line.stdin?.end()
  await closed
}
