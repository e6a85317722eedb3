/**
 * `npm run fuzz`: lists the decoders. `npm run fuzz -- NAME`: feeds one, or all of a room, with mutated inputs. What is
 * promised for any bytes: nothing is thrown, no input takes long, the input is left alone, and what was understood can
 * be written and read again.
 */
import { parseArgs } from 'node:util'
import { fromHex } from '../../src/core/bytes.ts'
import { checkInput, describeFailure, fuzz } from './fuzz.ts'
import type { FuzzTarget } from './target.ts'
import { targets } from './targets.ts'

const DEFAULT_RUNS = 100_000

const USAGE = `Usage: npm run fuzz -- NAME [--runs N] [--seconds N] [--seed N]
       npm run fuzz -- NAME --input HEX

NAME is a decoder, a room, or "all".
  --runs N      inputs for each decoder (default ${DEFAULT_RUNS}; with --seconds, no limit)
  --seconds N   at most so long for each
  --seed N      the same inputs again (default: by the clock; it is printed)
  --input HEX   this input alone

Decoders:
${targets.map(({ name, about }) => `  ${name.padEnd(36)}${about}`).join('\n')}`

function giveUp(message: string): never {
  console.error(`${message}\n\n${USAGE}`)
  process.exit(2)
}

function numberOf(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (!/^\d{1,15}$/.test(text)) giveUp(`--${option} wants a number, not "${text}"`)
  return Number(text)
}

function selected(name: string): readonly FuzzTarget[] {
  const found = targets.filter(
    (target) => name === 'all' || target.name === name || target.name.startsWith(`${name}/`),
  )
  if (found.length === 0) giveUp(`No decoder is called "${name}"`)
  return found
}

function runOne(target: FuzzTarget, seed: number, runs: number, seconds?: number): boolean {
  const limits = seconds === undefined ? { seed, runs } : { seed, runs, seconds }
  const report = fuzz(target, limits)
  const { failure } = report
  const share = ((100 * report.understood) / Math.max(1, report.runs)).toFixed(0)
  const rate = (report.runs / Math.max(1, report.elapsedMs)).toFixed(1)
  console.log(
    `${target.name.padEnd(36)}${String(report.runs).padStart(9)} inputs, ${share.padStart(3)} % understood, ` +
      `${rate.padStart(6)} a millisecond`,
  )
  if (failure !== undefined) console.log(`${describeFailure(target, failure)}\n(seed ${seed})`)
  if (failure === undefined && report.understood === 0) console.log('nothing was ever understood')
  return failure === undefined && report.understood > 0
}

function main(): void {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      runs: { type: 'string' },
      seconds: { type: 'string' },
      seed: { type: 'string' },
      input: { type: 'string' },
      help: { type: 'boolean' },
    },
  })
  const [name, ...more] = positionals
  if (name === undefined || values.help === true) {
    console.log(USAGE)
    return
  }
  if (more.length > 0) giveUp(`One name, not ${positionals.length}`)
  const chosen = selected(name)
  if (values.input !== undefined) {
    const input = fromHex(values.input)
    for (const target of chosen) console.log(`${target.name}: ${checkInput(target, input)}`)
    return
  }
  const seconds = numberOf('seconds', values.seconds)
  const runs = numberOf('runs', values.runs) ?? (seconds === undefined ? DEFAULT_RUNS : Infinity)
  const seed = numberOf('seed', values.seed) ?? Math.floor(Date.now() / 1000)
  console.log(`seed ${seed}`)
  const failed = chosen.filter((target) => !runOne(target, seed, runs, seconds)).length
  console.log(`${chosen.length - failed} passed, ${failed} failed, 0 skipped`)
  process.exitCode = failed === 0 ? 0 : 1
}

main()
