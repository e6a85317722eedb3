/** Runs mocha suites one after the other and adds up their closing lines. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { clearTimeout, setTimeout } from 'node:timers'
import { root } from './bootstrap.mjs'

/** What `test/support/closing-line-reporter.cjs` prints last. */
const CLOSING_LINE = /(?:^|\n)(\d+) passed, (\d+) failed, (\d+) skipped\n$/

/** With three counts of seven digits. */
const LONGEST_CLOSING_LINE = 60

/** From the closing line to the end of a suite that has left nothing open. */
const END_WITHIN_MS = 30_000

/**
 * Ends this process after printing one closing line for all suites; its status is 0 only if all of them passed.
 * `atEnd` is done before that.
 */
export async function runSuites(configs, args, atEnd = async () => undefined) {
  const sum = [0, 0, 0]
  let isGood = true
  for (const config of configs) {
    const { status, counts } = await runSuite(config, args)
    counts.forEach((count, index) => (sum[index] += count))
    isGood &&= status === 0 && counts[1] === 0
  }
  await atEnd()
  const [passed, failed, skipped] = sum
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`)
  process.exit(isGood ? 0 : 1)
}

async function runSuite(config, args) {
  const mocha = join(root, 'node_modules/mocha/bin/mocha.js')
  const child = spawn(process.execPath, [mocha, '--config', join(root, config), ...args], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: process.stdout.isTTY ? { FORCE_COLOR: '1', ...process.env } : process.env,
  })
  let ending
  let isStuck = false
  // A timer or a socket that a test has left open would keep all that follows waiting for ever.
  const endIt = () => {
    isStuck = true
    console.error(`${config}: a failure: all tests are done, but something is still running`)
    child.kill('SIGINT') // mocha hands it on, with a SIGTERM, to the process that has the tests
  }
  let tail = '' // what may be the beginning of the closing line is held back, all else is shown as it comes
  child.stdout.setEncoding('utf8').on('data', (text) => {
    const all = tail + text
    const cut = Math.max(0, all.length - LONGEST_CLOSING_LINE)
    process.stdout.write(all.slice(0, cut))
    tail = all.slice(cut)
    clearTimeout(ending)
    if (CLOSING_LINE.test(tail)) ending = setTimeout(endIt, END_WITHIN_MS)
  })
  const [status] = await once(child, 'close')
  clearTimeout(ending)
  const closing = CLOSING_LINE.exec(tail)
  process.stdout.write(closing === null ? tail : `${tail.slice(0, closing.index)}\n`)
  // A suite that died before its closing line counts as one failure, so that the sum never looks good.
  const [passed, failed, skipped] = closing === null ? [0, 1, 0] : closing.slice(1).map(Number)
  return { status, counts: [passed, failed + (isStuck ? 1 : 0), skipped] }
}
