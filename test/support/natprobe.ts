/** The `natprobe` command as a process, from the sources: where its exit status and its output are what is tested. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Report } from '../../src/natprobe/report.ts'
import { type Schema, SchemaCheck } from './json-schema.ts'

const MAIN = fileURLToPath(new URL('../../src/natprobe/main.ts', import.meta.url))
const SCHEMA = new URL('../../docs/natprobe.schema.json', import.meta.url)

/** No daemon and no configuration but the test's own. */
const NOBODY = { HOLLER_SOCKET: '/nonexistent', HOME: '/nonexistent', XDG_CONFIG_HOME: '' }

export interface Ended {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

/** Node's arguments for it, and its environment, for a test that must watch it run. */
export function natprobeProcess(
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): { readonly args: readonly string[]; readonly env: NodeJS.ProcessEnv } {
  return {
    args: ['--import=tsx', MAIN, ...args],
    env: { ...process.env, ...NOBODY, ...environment },
  }
}

export function natprobe(...args: readonly string[]): Promise<Ended> {
  return natprobeIn({}, ...args)
}

export function natprobeIn(
  environment: Readonly<Record<string, string>>,
  ...args: readonly string[]
): Promise<Ended> {
  const started = natprobeProcess(args, environment)
  return new Promise((done) => {
    execFile(process.execPath, started.args, { env: started.env }, (error, stdout, stderr) => {
      const status = error === null ? 0 : typeof error.code === 'number' ? error.code : -1
      done({ status, stdout, stderr })
    })
  })
}

/** With `--json`: its one document, which must be as the schema says. */
export async function natprobeReport(
  ...args: readonly string[]
): Promise<{ readonly status: number; readonly report: Report }> {
  const { status, stdout, stderr } = await natprobe('--json', ...args)
  assert.equal(stderr, '')
  return { status, report: checkedReport(stdout) }
}

/** @throws AssertionError when it is no report of `docs/natprobe.schema.json`. */
export function checkedReport(text: string): Report {
  const schema = JSON.parse(readFileSync(SCHEMA, 'utf8')) as Schema
  const document: unknown = JSON.parse(text)
  assert.deepEqual(new SchemaCheck(schema).problemsOf(document), [])
  return document as Report
}
