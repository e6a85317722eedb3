#!/usr/bin/env node
/** `holler`: the command line of the daemon. Everything is in `program.ts`; here it meets the real process. */
import { processOutside } from './outside.ts'
import { runHoller } from './program.ts'

// A reader that went away (`holler history bob | head -1`) is told by the write's own callback; without a listener the
// same error would end the process with a stack trace.
process.stdout.on('error', () => undefined)
process.stderr.on('error', () => undefined)

const ending = await runHoller(process.argv.slice(2), processOutside())
// Stops reading stdin and whatever else is still open: the command has said all it had to say.
if (ending === 'interrupted') process.kill(process.pid, 'SIGINT')
else process.exit(ending)
