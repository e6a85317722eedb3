/**
 * Makes `src/protocol/peer/generated/peer.{js,d.ts}` from `peer.proto` (`npm run proto`).
 * With `--check` it writes nothing and fails when what is committed is not what would be made.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import pbjs from 'protobufjs-cli/pbjs.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const source = join(root, 'src/protocol/peer/peer.proto')
const home = join(root, 'src/protocol/peer/generated')
const names = ['peer.js', 'peer.d.ts']

// Only what codec.ts uses: encode and decode. The comments stay, for pbjs reads the types from them.
const options = [
  ['--target', 'static-module'],
  ['--wrap', 'esm'],
  ['--root', 'holler-peer'],
  ['--dts'],
  ['--no-create'],
  ['--no-verify'],
  ['--no-convert'],
  ['--no-delimited'],
  ['--no-typeurl'],
  ['--no-service'],
].flat()

async function generate(directory) {
  mkdirSync(directory, { recursive: true })
  await promisify(pbjs.main)([...options, '--out', join(directory, names[0]), source])
}

function staleFiles() {
  return names.filter((name) => textOf(join(home, name)) !== textOf(join(scratch, name)))
}

function textOf(path) {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

const isCheck = process.argv.includes('--check')
const scratch = isCheck ? mkdtempSync(join(tmpdir(), 'holler-proto-')) : home
await generate(scratch)
if (isCheck) {
  const stale = staleFiles()
  rmSync(scratch, { recursive: true })
  for (const name of stale) {
    console.error(`${relative(root, join(home, name))} is stale: run \`npm run proto\``)
  }
  process.exitCode = stale.length === 0 ? 0 : 1
}
