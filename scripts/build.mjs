/** `npm run build`: src/ → dist/, ready to run. */
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { BUILT, giveUp, requireNode, root } from './bootstrap.mjs'

const SHEBANG = '#!/usr/bin/env node'
const GENERATED = 'protocol/peer/generated'

requireNode()
const began = new Date()
compile()
copyGenerated()
removeLeftovers(join(root, 'dist'), join(root, 'src'))
makeExecutable()
writeFileSync(BUILT, '')
utimesSync(BUILT, began, began) // what changes while we build is newer than the build

function compile() {
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  if (!existsSync(tsc)) giveUp('The compiler is not installed: run npm ci first')
  const args = [tsc, '-p', join(root, 'tsconfig.build.json')]
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: ['ignore', 2, 2] })
  if (status !== 0) giveUp('The sources do not compile', status ?? 1)
}

/** The messages' code is JavaScript already, which tsc only reads. */
function copyGenerated() {
  const from = join(root, 'src', GENERATED)
  const to = join(root, 'dist', GENERATED)
  mkdirSync(to, { recursive: true })
  for (const name of readdirSync(from)) copyFileSync(join(from, name), join(to, name))
}

/** A source that was removed or renamed must not live on in dist/. */
function removeLeftovers(built, sources) {
  for (const entry of readdirSync(built, { withFileTypes: true })) {
    const path = join(built, entry.name)
    const source = join(sources, entry.name)
    if (entry.isDirectory()) {
      if (existsSync(source)) removeLeftovers(path, source)
      else rmSync(path, { recursive: true })
    } else if (!hasSource(source)) rmSync(path)
  }
}

function hasSource(path) {
  return existsSync(path) || existsSync(path.replace(/(\.d\.ts|\.js|\.js\.map)$/, '.ts'))
}

function makeExecutable() {
  const { bin } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  for (const [name, path] of Object.entries(bin)) {
    const program = join(root, path)
    if (!existsSync(program)) giveUp(`There is no ${path} for the program ${name}`)
    const code = readFileSync(program, 'utf8')
    if (!code.startsWith('#!')) writeFileSync(program, `${SHEBANG}\n${code}`)
    chmodSync(program, 0o755)
  }
}
