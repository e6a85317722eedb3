import { type Command, InvalidArgumentError, Option } from 'commander'
import type { SendOptions } from '../commands/send.ts'
import type { EventsOptions } from '../commands/events.ts'
import type { Run } from './run.ts'

const SEND_HELP = `
Prints the message's id. Without --wait it returns as soon as the message is safe on this machine's disk.

Examples:
  holler send bob Hello there
  holler send bob 'Backup done' --wait delivered --timeout 1m
  dmesg | tail | holler send bob -
  holler send bob -- --help is not an option here`

const EVENTS_HELP = `
One JSON object a line: {"seq":…,"type":"message.received","at":"…","data":{…}}.
Types: message.received message.state buddy.request buddy.changed buddy.removed identity.changed session.state
  path.changed server.notice, and the passing presence.changed and net.changed, which have no place in the journal.

With --name the daemon remembers how far this consumer has got: each line is acknowledged once it is written, and the
next run goes on after it. Every event arrives at least once, across crashes of either side.

Examples:
  holler events --since 0
  holler events --follow --types message.received
  holler events --follow --name my-bot | while read -r event; do …; done`

/** `holler send`, `holler history` and `holler events`. */
export function declareMessages(program: Command, run: Run): void {
  program
    .command('send')
    .description('send a message')
    .argument('<buddy>', 'number or handle')
    .argument('[text...]', 'the message; - reads it from standard input')
    .addOption(
      new Option('--wait <state>', 'return only when the message has got this far').choices([
        'queued',
        'server',
        'delivered',
        'read',
      ]),
    )
    .option('--reply <id>', 'the message that this one answers')
    .addHelpText('after', SEND_HELP)
    .action((buddy: string, words: string[], options: SendOptions) =>
      run(async (context) => {
        const { send } = await import('../commands/send.ts')
        await send(context, buddy, words, options)
      }),
    )
  program
    .command('history')
    .description('the last messages with a buddy, oldest first (in JSON: newest first)')
    .argument('<buddy>', 'number or handle')
    .option('-n, --limit <count>', 'how many', historyLimit, 20)
    .action((buddy: string, { limit }: { readonly limit: number }) =>
      run(async (context) => {
        const { showHistory } = await import('../commands/history.ts')
        await showHistory(context, buddy, limit)
      }),
    )
  program
    .command('events')
    .description('what happens, as it happens')
    .option('-f, --follow', 'go on until interrupted')
    .option(
      '--since <where>',
      'ack (after the last acknowledged), now, or a sequence number',
      since,
    )
    .option('--name <name>', 'remember under this name how far we got')
    .option('--types <list>', 'only these types, separated by commas', commaSeparated)
    .addHelpText('after', EVENTS_HELP)
    .action((options: EventsOptions) =>
      run(async (context) => {
        const { showEvents } = await import('../commands/events.ts')
        await showEvents(context, options)
      }),
    )
}

/** The most that one request may ask for. */
const MAX_HISTORY = 1000

function historyLimit(text: string): number {
  const count = wholeNumber(text)
  if (count === undefined || count < 1 || count > MAX_HISTORY) {
    throw new InvalidArgumentError(`A number from 1 to ${MAX_HISTORY}.`)
  }
  return count
}

function since(text: string): 'ack' | 'now' | number {
  if (text === 'ack' || text === 'now') return text
  const seq = wholeNumber(text)
  if (seq === undefined) throw new InvalidArgumentError('ack, now, or a number.')
  return seq
}

function wholeNumber(text: string): number | undefined {
  const value = Number(text)
  return /^\d+$/.test(text) && Number.isSafeInteger(value) ? value : undefined
}

function commaSeparated(text: string): string[] {
  const items = text.split(',').map((item) => item.trim())
  if (items.includes(''))
    throw new InvalidArgumentError('For example message.received,buddy.request')
  return items
}
