import type { Environment } from './settings.ts'

/** The process that the command line is run by. */
export interface CommandOutside {
  readonly stdout: { write(text: string): unknown }
  readonly stderr: { write(text: string): unknown }
  readonly environment: Environment
  /** Resolves when the server is asked to end, with the signal's name. */
  readonly ending: () => Promise<string>
  /** Sets what happens when the server is asked to read its configuration again. */
  readonly onReload: (reload: () => void) => unknown
}
