import type { Command } from 'commander'
import type { PingOptions } from '../commands/net.ts'
import type { Run } from './run.ts'

export function declareNet(program: Command, run: Run): void {
  const net = program.command('net').description('by which paths buddies are reached, and why')
  net
    .command('status')
    .description('this machine’s addresses and NAT, and the path of each buddy')
    .action(() =>
      run(async (context) => {
        const { showNet } = await import('../commands/net.ts')
        await showNet(context)
      }),
    )
  net
    .command('path')
    .description('the path to a buddy, why it is that one, and what would make it better')
    .argument('<buddy>', 'number or handle')
    .action((buddy: string) =>
      run(async (context) => {
        const { showPath } = await import('../commands/net.ts')
        await showPath(context, buddy)
      }),
    )
  net
    .command('ping')
    .description('ask a buddy’s daemon for a sign of life')
    .argument('<buddy>', 'number or handle')
    .option('--until-direct', 'go on until a direct path carries it')
    .action((buddy: string, options: PingOptions) =>
      run(async (context) => {
        const { ping } = await import('../commands/net.ts')
        await ping(context, buddy, options)
      }),
    )
}
