/**
 * `npm start`: the real programs, two people, one conversation: directly, through the relay, directly again.
 * Every step goes through the `holler` command line or the control socket, as a user's would.
 *
 * Then the playground stays up until Ctrl-C; `npm start -- --once` ends with 0 when all of it worked.
 */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { PathView } from '../../src/protocol/control/schema.ts'
import {
  befriend,
  messageArrives,
  Person,
  type Server,
  startServer,
} from '../../test/support/household.ts'
import { type Program, stopAllPrograms } from '../../test/support/programs.ts'
import { paint, say, step } from './report.ts'

/** A path that does not lead through the server; on one machine the daemons may call it either name. */
const DIRECT = ['direct', 'lan'] as const

// Under the system's temporary directory: the path of a Unix socket has room for 107 characters only.
const directory = mkdtempSync(join(tmpdir(), 'holler-'))
const bind = '127.0.0.1'
const alice = new Person({ name: 'alice', directory: join(directory, 'a'), bind })
const bob = new Person({ name: 'bob', directory: join(directory, 'b'), bind })

const isOnce = process.argv.includes('--once')
let leaving: Promise<void> | undefined
process.on('SIGINT', () => void leave(130))
process.on('SIGTERM', () => void leave(143))

try {
  const server = await play()
  if (isOnce) await leave(0)
  else invite(server)
} catch (error) {
  await fail(error)
}

async function fail(error: unknown): Promise<void> {
  await leaving // the programs ended because we did
  const why = error instanceof Error ? error.message : String(error)
  say(`\n${paint('red', 'It did not work:')} ${why}`)
  await leave(1)
}

async function play(): Promise<Server> {
  say(`${paint('bold', 'holler')}: a server and two people in ${directory}\n`)
  const server = await step(
    'server up',
    () => startServer({ dataDir: join(directory, 'server') }),
    ({ link }) => paint('dim', shortened(link)),
  )
  await step(
    'daemons up',
    () => Promise.all([alice.startDaemon(), bob.startDaemon()]),
    () => 'hollerd of alice and of bob',
  )
  await meet(server)
  await talk('directly', DIRECT)
  await alice.json(['buddy', 'policy', 'bob', '--path', 'relay'])
  await talk('through the relay', ['relay'])
  await alice.json(['buddy', 'policy', 'bob', '--path', 'auto'])
  await talk('directly again', DIRECT)
  return server
}

async function meet({ link }: Server): Promise<void> {
  await step(
    'accounts registered',
    () => Promise.all([alice.register(link), bob.register(link)]),
    (numbers) => `alice is ${numbers[0]}, bob is ${numbers[1]}`,
  )
  await step(
    'buddies',
    () => befriend(alice, bob),
    () => 'alice asked, bob accepted; each sees the other online',
  )
}

/** A message each way over a path of a given kind. */
async function talk(how: string, kinds: readonly PathView['kind'][]): Promise<void> {
  await step(
    `path ${how}`,
    async () => {
      await alice.pathOfKind('bob', kinds)
      await bob.pathOfKind('alice', kinds)
      return alice.json<PathView>(['net', 'path', 'bob'])
    },
    ({ kind, local, remote, rttMs }) => {
      const ends = [local, remote].filter((end) => end !== null).join(' → ')
      return `${paint('cyan', kind)} ${ends}, round trip ${rttMs.toFixed(1)} ms`
    },
  )
  await message(alice, bob, `Hello Bob, ${how}`)
  await message(bob, alice, `Hello Alice, ${how}`)
}

async function message(from: Person, to: Person, text: string): Promise<void> {
  await step(
    `${from.name} → ${to.name}`,
    async () => {
      const startedAt = performance.now()
      await from.request('message.send', {
        to: to.name,
        text,
        wait: 'delivered',
        timeout_ms: 15_000,
      })
      const receiptMs = performance.now() - startedAt
      await messageArrives(to, text)
      return receiptMs
    },
    (receiptMs) => `"${text}" delivered, receipt after ${receiptMs.toFixed(0)} ms`,
  )
}

/** Leaves the playground to its user, with commands that are short to type. */
function invite({ program }: Server): void {
  for (const { name, socket } of [alice, bob]) writeCommand(name, socket)
  for (const running of [program, alice.daemon, bob.daemon]) void tellEnd(running)
  say(`
The playground stays up until Ctrl-C. In another terminal:

  cd ${directory}
  ./alice status
  ./alice send bob 'Are you there?' --wait delivered
  ./bob history alice
  ./bob events --follow
  ./alice net path bob
  ./alice buddy policy bob --path relay
`)
}

/** A program that ends before it is asked to. */
async function tellEnd(program: Program): Promise<void> {
  const { code, signal } = await program.exited
  if (leaving !== undefined) return
  say(`${paint('red', program.name)} has ended: ${String(code ?? signal)}${program.logTail()}`)
}

function writeCommand(name: string, socket: string): void {
  const holler = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
  const path = join(directory, name)
  const command = `exec '${process.execPath}' '${holler}' --socket '${socket}' "$@"`
  writeFileSync(path, `#!/bin/sh\n# holler, as ${name}\n${command}\n`)
  chmodSync(path, 0o755)
}

/** Ends what was started, removes what was written, and this process. */
async function leave(status: number): Promise<void> {
  leaving ??= clean().then(() => process.exit(status))
  await leaving
}

async function clean(): Promise<void> {
  await stopAllPrograms()
  rmSync(directory, { recursive: true, force: true })
}

function shortened(link: string): string {
  return link.length > 60 ? `${link.slice(0, 59)}…` : link
}
