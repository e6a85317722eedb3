import { Argument, type Command } from 'commander'
import type { Run } from './run.ts'

const RPC_HELP = `
Examples:
  holler rpc status.get
  holler rpc message.list '{"buddy":"bob","limit":3}'
  generate-request | holler rpc message.send -`

/** `holler status`, `holler presence` and `holler rpc`. */
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
    .action((state: 'online' | 'away' | 'busy' | 'invisible', text?: string) =>
      run(async (context) => {
        const { setPresence } = await import('../commands/status.ts')
        await setPresence(context, state, text)
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
