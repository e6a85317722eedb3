import { existsSync } from 'node:fs'
import { join } from 'node:path'

const SYSTEM_SOCKET = '/run/holler/control.sock'

/**
 * Where the daemon listens: `--socket`, else `HOLLER_SOCKET`, else the user's own daemon
 * (`$XDG_RUNTIME_DIR/holler/control.sock`) where there is one, else the system's.
 */
export function controlSocketPath(
  given: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
): string {
  const chosen = given ?? nonEmpty(env['HOLLER_SOCKET'])
  if (chosen !== undefined) return chosen
  const runtimeDirectory = nonEmpty(env['XDG_RUNTIME_DIR'])
  if (runtimeDirectory === undefined) return SYSTEM_SOCKET
  const own = join(runtimeDirectory, 'holler', 'control.sock')
  return existsSync(own) ? own : SYSTEM_SOCKET
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text
}
