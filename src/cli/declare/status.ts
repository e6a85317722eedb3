import { Argument, type Command } from 'commander'
import type { Params } from '../../protocol/control/schema.ts'
import type { Run } from './run.ts'

const RPC_HELP = `
Examples:
  holler rpc status.get
  holler rpc message.list '{"buddy":"bob","limit":3}'
  generate-request | holler rpc message.send -`

type OwnState = Params<'presence.set'>['state']

/** `holler status`, `holler presence`, `holler profile` and `holler rpc`. */
export function declareStatus(program: Command, run: Run): void {
  program
    .command('status')
    .description('the account, its server, buddies and queue on one screen')
    .action(() =>
      run(async (context) => {
        const { showStatus } = await import('../commands/status.ts')
        await showStatus(context)
      }),
    )
  program
    .command('presence')
    .description('tell your buddies how you are')
    .addArgument(new Argument('<state>').choices(['online', 'away', 'busy', 'invisible']))
    .argument('[text]', 'a few words that buddies see beside it')
    .option('--until <when>', 'online again then: 90m, or a time like 2026-12-24T18:00:00Z')
    .action((state: OwnState, text: string | undefined, { until }: { readonly until?: string }) =>
      run(async (context) => {
        const { setPresence } = await import('../commands/status.ts')
        await setPresence(context, state, { text, until })
      }),
    )
  const profile = program.command('profile').description('what people say of themselves')
  profile
    .command('show')
    .description('yours, or a buddy’s')
    .argument('[buddy]', 'number or handle')
    .action((buddy?: string) =>
      run(async (context) => {
        const { showProfile } = await import('../commands/profile.ts')
        await showProfile(context, buddy)
      }),
    )
  profile
    .command('set')
    .description('change yours; what you do not name stays')
    .option('--name <name>', 'what you are called; buddies see it')
    .option('--text <text>', 'a few words about you; buddies see them')
    .option('--listed', 'let everybody on the server see when you are online')
    .option('--no-listed', 'do not (the default)')
    .action((options: Params<'profile.set'>) =>
      run(async (context) => {
        const { setProfile } = await import('../commands/profile.ts')
        await setProfile(context, options)
      }),
    )
  program
    .command('rpc')
    .description('call a method of the control socket and print its result as JSON')
    .argument('<method>', 'for example status.get')
    .argument('[params]', 'a JSON object; - reads it from standard input')
    .addHelpText('after', RPC_HELP)
    .action((method: string, params?: string) =>
      run(async (context) => {
        const { callMethod } = await import('../commands/rpc.ts')
        await callMethod(context, method, params)
      }),
    )
}
