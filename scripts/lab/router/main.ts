/**
 * All user-space routers of one laboratory, in one process: starting Node once for each would cost more than what they
 * do. Run in a network namespace of its own, where TUN devices are made before they move to their router's. Reads
 * commands from stdin and answers on stdout, a JSON value a line; ends when stdin does, so that it never outlives its
 * owner.
 */
import { createInterface } from 'node:readline'
import type { RouterCounts, RouterReply, RouterRequest } from './control.ts'
import { readPackets, type Tun } from './tun.ts'
import { UserSpaceRouter } from './user-space-router.ts'

const NOTHING: RouterCounts = { mappings: 0, forwarded: { inside: 0, outside: 0 }, dropped: {} }

const routers = new Map<string, UserSpaceRouter>() // ≤ what our owner asks for
const receivers = new Map<Tun, (packet: Uint8Array) => void>()
let started = 0

function start(name: string, router: UserSpaceRouter): void {
  routers.set(name, router)
  const { inside, outside } = router.tuns
  receivers.set(inside, (packet) => router.handle('inside', packet))
  receivers.set(outside, (packet) => router.handle('outside', packet))
}

function stop(name: string, router: UserSpaceRouter): void {
  routers.delete(name)
  receivers.delete(router.tuns.inside)
  receivers.delete(router.tuns.outside)
  router.close()
}

function execute({ router: name, command }: RouterRequest): RouterCounts {
  if (command.kind === 'start') {
    start(name, new UserSpaceRouter(command.setup, ++started))
    return NOTHING
  }
  const router = routers.get(name)
  if (router === undefined) throw new Error(`No router "${name}"`)
  if (command.kind === 'stop') stop(name, router)
  else router.execute(command)
  return router.counts
}

function handleRequest(line: string): void {
  const request = JSON.parse(line) as RouterRequest // from our owner, whose types are ours
  const { id } = request
  try {
    reply({ kind: 'done', id, counts: execute(request) })
  } catch (error) {
    reply({ kind: 'failed', id, why: String(error) })
  }
}

function reply(message: RouterReply): void {
  process.stdout.write(`${JSON.stringify(message)}\n`)
}

const ending = new AbortController()
createInterface({ input: process.stdin })
  .on('line', handleRequest)
  .once('close', () => ending.abort())
reply({ kind: 'ready' })
await readPackets(receivers, ending.signal)
process.exit(0)
