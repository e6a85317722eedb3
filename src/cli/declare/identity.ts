import type { Command } from 'commander'
import type { Run } from './run.ts'

const ACCEPT_HELP = `
Messages of somebody whose identity has changed are flagged, and nothing is sent to them: they may have a new device, or
somebody else has their password. Ask them by another way before you accept.

Examples:
  holler identity accept bob`

export function declareIdentity(program: Command, run: Run): void {
  const identity = program.command('identity').description('the keys that buddies are known by')
  identity
    .command('accept')
    .description('trust the identity that a buddy has changed to')
    .argument('<buddy>', 'number or handle')
    .addHelpText('after', ACCEPT_HELP)
    .action((name: string) =>
      run(async (context) => {
        const { acceptIdentity } = await import('../commands/identity.ts')
        await acceptIdentity(context, name)
      }),
    )
}
