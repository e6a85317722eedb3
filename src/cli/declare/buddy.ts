import { type Command, Option } from 'commander'
import type { PolicyOptions } from '../commands/buddy.ts'
import { usageFailure } from '../failure.ts'
import type { Run } from './run.ts'

const POLICY_HELP = `
  auto   directly where possible, else through the relay (the default)
  lan    directly, but only within the local network; else through the relay
  relay  always through the relay: the buddy never learns your address

Examples:
  holler buddy policy bob
  holler buddy policy bob --path relay`

const BUDDY = 'number or handle'

export function declareBuddy(program: Command, run: Run): void {
  const buddy = program.command('buddy').description('the people you talk to')
  buddy
    .command('list')
    .description('everyone, with presence and path')
    .action(() =>
      run(async (context) => {
        const { listBuddies } = await import('../commands/buddy.ts')
        await listBuddies(context)
      }),
    )
  declareLooks(buddy, run)
  buddy
    .command('add')
    .description('ask somebody to be your buddy')
    .argument('<buddy>', BUDDY)
    .option('--note <text>', 'a line that goes with the request')
    .action((name: string, { note }: { readonly note?: string }) =>
      run(async (context) => {
        const { addBuddy } = await import('../commands/buddy.ts')
        await addBuddy(context, name, note)
      }),
    )
  declareAnswers(buddy, run)
  declareFacts(buddy, run)
  buddy
    .command('policy')
    .description('show or set by which paths a buddy may be reached')
    .argument('<buddy>', BUDDY)
    .addOption(new Option('--path <policy>', 'set it').choices(['auto', 'lan', 'relay']))
    .addHelpText('after', POLICY_HELP)
    .action((name: string, options: PolicyOptions) =>
      run(async (context) => {
        const { buddyPolicy } = await import('../commands/buddy.ts')
        await buddyPolicy(context, name, options)
      }),
    )
}

function declareLooks(buddy: Command, run: Run): void {
  buddy
    .command('show')
    .description('one of them, with where they are: program, addresses, ports, NAT')
    .argument('<buddy>', BUDDY)
    .action((name: string) =>
      run(async (context) => {
        const { showBuddy } = await import('../commands/buddy.ts')
        await showBuddy(context, name)
      }),
    )
  buddy
    .command('search')
    .description('who has a number, or exactly this handle; or who is online')
    .argument('[buddy]', BUDDY)
    .option(
      '--online',
      'who is online, of those who let themselves be listed (profile set --listed)',
    )
    .action((name: string | undefined, { online }: { readonly online?: boolean }) =>
      run(async (context) => {
        if ((name === undefined) !== (online === true)) {
          throw usageFailure('Give a number or handle, or --online')
        }
        const { listOnline, searchBuddy } = await import('../commands/buddy.ts')
        if (name === undefined) await listOnline(context)
        else await searchBuddy(context, name)
      }),
    )
}

function declareFacts(buddy: Command, run: Run): void {
  buddy
    .command('move')
    .description('put somebody into a group of yours; without a group, out of it')
    .argument('<buddy>', BUDDY)
    .argument('[group]', 'its name')
    .action((name: string, group?: string) =>
      run(async (context) => {
        const { moveBuddy } = await import('../commands/buddy.ts')
        await moveBuddy(context, name, group ?? '')
      }),
    )
  buddy
    .command('note')
    .description('note something of somebody, for yourself alone; without a text, forget it')
    .argument('<buddy>', BUDDY)
    .argument('[text]', 'at most 280 characters')
    .action((name: string, text?: string) =>
      run(async (context) => {
        const { noteBuddy } = await import('../commands/buddy.ts')
        await noteBuddy(context, name, text ?? '')
      }),
    )
}

function declareAnswers(buddy: Command, run: Run): void {
  const answers = {
    accept: 'say yes to a request',
    reject: 'say no to a request',
    remove: 'stop being buddies; history stays',
    block: 'be nobody to them, without their learning of it; not on the list: by number',
    unblock: 'end that; to be buddies again, one of you asks',
  } as const
  for (const [answer, description] of Object.entries(answers)) {
    buddy
      .command(answer)
      .description(description)
      .argument('<buddy>', BUDDY)
      .action((name: string) =>
        run(async (context) => {
          const { answerBuddy } = await import('../commands/buddy.ts')
          await answerBuddy(context, answer as keyof typeof answers, name)
        }),
      )
  }
}
