/**
 * What every script needs before it can begin: a Node that is new enough, the packages, the build.
 * Plain JavaScript without packages: it runs on a fresh clone.
 */
import { spawnSync } from 'node:child_process'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The project's directory, with a slash at its end. */
export const root = fileURLToPath(new URL('../', import.meta.url))

/** `npm` leaves this file behind when an installation is complete. */
const INSTALLED = join(root, 'node_modules/.package-lock.json')

/** `scripts/build.mjs` leaves this file behind, dated when the build began. */
export const BUILT = join(root, 'dist/.built')

/** As `engines` in package.json says. */
const NEEDED = [20, 19]

export function requireNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  if (major > NEEDED[0] || (major === NEEDED[0] && minor >= NEEDED[1])) return
  giveUp(`holler needs Node.js ${NEEDED.join('.')} or newer; this is ${process.version}`)
}

/** Installs the packages of the lock file where they are missing or older than it. */
export function ensureInstalled() {
  requireNode()
  if (changedAt(INSTALLED) >= changedAt(join(root, 'package-lock.json'))) return
  console.error('Installing packages (npm ci) …')
  run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'])
}

/** Builds dist/ where a source is newer than it. */
export function ensureBuilt() {
  const builtAt = changedAt(BUILT)
  const sources = ['src', 'tsconfig.json', 'tsconfig.build.json', 'package-lock.json']
  if (sources.every((source) => newestIn(join(root, source)) <= builtAt)) return
  console.error('Building …')
  run(process.execPath, [join(root, 'scripts/build.mjs')])
}

/** Runs a command to its end with our own terminal; where it fails, so do we. */
export function run(command, args) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2] })
  if (error) giveUp(`Cannot run ${command}: ${error.message}`)
  if (status !== 0) giveUp(`${[command, ...args].join(' ')} failed`, status ?? 1)
}

export function giveUp(message, status = 1) {
  console.error(message)
  process.exit(status)
}

/** 0 where there is no such file. */
function changedAt(path) {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0
}

function newestIn(path) {
  const entry = statSync(path)
  if (!entry.isDirectory()) return entry.mtimeMs
  return readdirSync(path).reduce(
    (newest, name) => Math.max(newest, newestIn(join(path, name))),
    entry.mtimeMs, // a file was added, renamed or removed
  )
}
