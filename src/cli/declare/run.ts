import type { CommandContext } from '../context.ts'

/** Does a command's work with a context that is closed afterwards, whatever happens. */
export type Run = (work: (context: CommandContext) => Promise<void>) => Promise<void>
