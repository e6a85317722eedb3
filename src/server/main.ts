#!/usr/bin/env node
/** `holler-server`: the command line of `command-line.ts` meets the real process. */
import { runCommandLine } from './command-line.ts'

process.umask(0o077) // whatever is written by whichever library is the server's alone

// From the first moment on, so that a start that is interrupted still closes its store.
const ending = new Promise<string>((resolve) => {
  process.once('SIGTERM', resolve)
  process.once('SIGINT', resolve)
})

process.exitCode = await runCommandLine(process.argv.slice(2), {
  stdout: process.stdout,
  stderr: process.stderr,
  environment: process.env,
  ending: () => ending,
  onReload: (reload) => process.on('SIGHUP', reload),
})
// What is still in a TLS handshake would keep the process for some seconds, and is nobody's loss.
process.exit()
