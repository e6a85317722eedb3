import { runCommandLine } from '../../../src/server/command-line.ts'
import type { Environment } from '../../../src/server/settings.ts'

/** How a command line went. */
export interface Ran {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

export async function run(...args: readonly string[]): Promise<Ran> {
  return await runIn({}, ...args)
}

export async function runIn(environment: Environment, ...args: readonly string[]): Promise<Ran> {
  let stdout = ''
  let stderr = ''
  const status = await runCommandLine(args, {
    stdout: { write: (text) => (stdout += text) },
    stderr: { write: (text) => (stderr += text) },
    environment,
    ending: () => Promise.resolve('SIGTERM'),
    onReload: () => undefined,
  })
  return { status, stdout, stderr }
}
