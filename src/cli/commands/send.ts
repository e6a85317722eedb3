import { MAX_LINE_BYTES } from '../../protocol/control/json-lines.ts'
import { type CommandContext, GRACE_MS } from '../context.ts'
import { CommandFailure, usageFailure } from '../failure.ts'
import { readAll, withoutFinalNewline } from '../read-input.ts'

export interface SendOptions {
  readonly wait?: 'queued' | 'server' | 'delivered' | 'read'
  readonly reply?: string
}

export async function send(
  context: CommandContext,
  buddy: string,
  words: readonly string[],
  { wait, reply }: SendOptions,
): Promise<void> {
  const text = await messageText(context, words)
  const timeoutMs = context.timeoutMs
  const sent = await context.request(
    'message.send',
    {
      to: buddy,
      text,
      ...(reply !== undefined && { reply_to: reply }),
      ...(wait !== undefined && { wait, timeout_ms: timeoutMs }),
    },
    wait === undefined ? timeoutMs : timeoutMs + GRACE_MS,
  )
  await context.output.answer(sent, () => sent.id)
  if (sent.state === 'failed' || sent.state === 'expired' || sent.state === 'cancelled') {
    const isFull = sent.reason === 'mailbox-full'
    const why = isFull ? 'their mailbox at the server is full' : sent.state
    throw new CommandFailure(
      isFull ? 'quota' : 'rejected',
      `The message did not get there: ${why}`,
      {
        details: sent,
      },
    )
  }
}

async function messageText(context: CommandContext, words: readonly string[]): Promise<string> {
  const { stdin } = context.outside
  if (words.length === 0 && stdin.isTTY === true) {
    throw usageFailure('Nothing to send: give the text, or - to type it and end with Ctrl-D')
  }
  const isFromStdin = words.length === 0 || (words.length === 1 && words[0] === '-')
  const text = isFromStdin
    ? withoutFinalNewline(await readAll(context.outside, MAX_LINE_BYTES))
    : words.join(' ')
  if (text === '') throw usageFailure('Nothing to send: the text is empty')
  return text
}
