/** The loop: mutate, decode, and see that every promise holds; and what is shown when one does not. */
import { strict as assert } from 'node:assert'
import { toHex } from '../../src/core/bytes.ts'
import { SeededRandom } from '../../test/sim/seeded-random.ts'
import { mutated, pick } from './mutation.ts'
import type { FuzzTarget } from './target.ts'

/**
 * No decoder takes a hundredth of this for `MAX_INPUT_BYTES`. A busy machine may: an input is only slow if it was so
 * each time.
 */
const SLOWEST_MS = 250
const TIMES = 3

/** Every so many inputs the clock is looked at. */
const ROUND = 64

/** Of these, one is not mutated at all, and some are repaired. */
const UNTOUCHED_SHARE = 1 / 32

export interface FuzzOptions {
  readonly seed: number
  readonly runs: number
  /** Ends earlier, once so much time has passed. */
  readonly seconds?: number
}

export interface FuzzFailure {
  readonly run: number
  readonly error: unknown
  readonly input: Uint8Array
}

export interface FuzzReport {
  readonly runs: number
  /** Inputs that made sense: with none, the fuzzer would never get past the first gate. */
  readonly understood: number
  readonly elapsedMs: number
  readonly failure: FuzzFailure | undefined
}

/** Runs until something breaks or the runs are over. The same seed gives the same inputs. */
export function fuzz(target: FuzzTarget, options: FuzzOptions): FuzzReport {
  const { seed, runs, seconds = Infinity } = options
  const startedAt = performance.now()
  const inputs = target.inputs(new SeededRandom(seed))
  let understood = 0
  let run = 0
  const report = (failure?: FuzzFailure): FuzzReport => {
    return { runs: run, understood, elapsedMs: performance.now() - startedAt, failure }
  }
  for (; run < runs; run++) {
    if (run % ROUND === 0 && performance.now() - startedAt > seconds * 1000) break
    const input = inputOf(target, inputs, seed, run)
    try {
      if (checkInput(target, input)) understood += 1
    } catch (error) {
      return report({ run, error, input: shortened(target, input) })
    }
  }
  return report()
}

/** One input alone: for replaying a failure. @throws whatever is wrong with it. */
export function checkInput(
  target: FuzzTarget,
  input: Uint8Array,
  clock: () => number = () => performance.now(),
): boolean {
  const before = Uint8Array.from(input)
  let isUnderstood = false
  const timed = (): number => {
    const startedAt = clock()
    isUnderstood = target.check(input)
    return clock() - startedAt
  }
  if (timed() > SLOWEST_MS) {
    const leastMs = Math.min(...Array.from({ length: TIMES }, timed))
    assert.ok(leastMs <= SLOWEST_MS, `${leastMs.toFixed(0)} ms for one input`)
  }
  assert.ok(Buffer.compare(input, before) === 0, 'the decoder changed its input')
  return isUnderstood
}

function inputOf(
  target: FuzzTarget,
  inputs: readonly Uint8Array[],
  seed: number,
  run: number,
): Uint8Array {
  const random = new SeededRandom(seed ^ Math.imul(run + 1, 0x9e3779b1))
  const [choice = 0] = random.bytes(1)
  if (choice < 256 * UNTOUCHED_SHARE) return Uint8Array.from(pick(random, inputs))
  const bytes = mutated(random, inputs, target.format)
  // Half of them whole: a decoder's depths lie behind its lengths and checksums.
  return choice % 2 === 0 && target.repair !== undefined ? target.repair(bytes) : bytes
}

/** Leaves out whatever is not needed for the failure, piece by piece. */
function shortened(target: FuzzTarget, input: Uint8Array): Uint8Array {
  let best = input
  for (let size = Math.ceil(input.length / 2); size >= 1; size = Math.floor(size / 2)) {
    for (let at = 0; at + size <= best.length;) {
      const shorter = Buffer.concat([best.subarray(0, at), best.subarray(at + size)])
      if (fails(target, shorter)) best = shorter
      else at += size
    }
  }
  return best
}

function fails(target: FuzzTarget, input: Uint8Array): boolean {
  try {
    checkInput(target, input)
    return false
  } catch {
    return true
  }
}

/** For people: what happened, and how to see it again. */
export function describeFailure(target: FuzzTarget, { run, error, input }: FuzzFailure): string {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
  return [
    `${target.name} broke at input ${run}:`,
    text,
    `again: npm run fuzz -- ${target.name} --input ${toHex(input)}`,
  ].join('\n')
}
