import type { Command } from 'commander'
import type { Run } from './run.ts'

const ACCEPT_HELP = `
Messages of somebody whose identity has changed are flagged, and nothing is sent to them: they may have a new device, or
somebody else has their password. Ask them by another way before you accept.

Examples:
  holler identity accept bob`

const SHOW_HELP = `
The safety number is the same at both of you. Compare it by voice, or on paper: then nobody, not even the server, has put
somebody else in between.

Examples:
  holler identity show
  holler identity show bob`

const VERIFY_HELP = `
Let them read it out: holler identity show, at their side, tells it of you. It is compared with the identity that is known,
and stays verified until they have another one.

Examples:
  holler identity verify bob 12345 67890 12345 67890 12345 67890 12345 67890 12345 67890 12345 67890`

export function declareIdentity(program: Command, run: Run): void {
  const identity = program.command('identity').description('the keys that buddies are known by')
  identity
    .command('show')
    .description('yours; or a buddy’s, with the safety number to compare')
    .argument('[buddy]', 'number or handle')
    .addHelpText('after', SHOW_HELP)
    .action((name?: string) =>
      run(async (context) => {
        const { showIdentity, showPeer } = await import('../commands/identity.ts')
        if (name === undefined) await showIdentity(context)
        else await showPeer(context, name)
      }),
    )
  identity
    .command('verify')
    .description('say that a buddy has told you this safety number')
    .argument('<buddy>', 'number or handle')
    .argument('<number...>', 'its sixty digits, with blanks or without')
    .addHelpText('after', VERIFY_HELP)
    .action((name: string, digits: readonly string[]) =>
      run(async (context) => {
        const { verifyIdentity } = await import('../commands/identity.ts')
        await verifyIdentity(context, name, digits.join(' '))
      }),
    )
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
