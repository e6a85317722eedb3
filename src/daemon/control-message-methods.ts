import type { HollerError } from '../core/holler-error.ts'
import { ControlFault } from '../protocol/control/control-fault.ts'
import type { MessageId } from '../protocol/peer/peer-message.ts'
import type { AccountNumber } from '../protocol/server/messages.ts'
import type { ActiveAccount } from './active-account.ts'
import type { ControlClient } from './control-client.ts'
import { fitting, mapped } from './control-fitting.ts'
import type { Handlers } from './control-handler.ts'
import { type AwaitedState, noMessage } from './conversations.ts'
import type { Daemon } from './daemon.ts'
import { within } from './deadline.ts'
import type { StoredMessage } from './history.ts'
import { messageView } from './views.ts'

type MessageMethod = 'message.send' | 'message.get' | 'message.list' | 'outbox.list'

const DEFAULT_LIMIT = 50

export function messageMethods(daemon: Daemon): Handlers<MessageMethod> {
  return {
    'message.send': async (params, client) => {
      const account = daemon.requireAccount()
      const stored = await account.sessions.conversations.send({
        to: account.archive.roster.require(params.to),
        text: params.text,
        ...(params.client_id === undefined ? {} : { clientId: params.client_id }),
        ...(params.reply_to === undefined ? {} : { replyTo: params.reply_to }),
      })
      const { wait } = params
      if (wait === undefined || wait === 'queued') return { id: stored.id, state: stored.state }
      const { state, reason } = await reached(
        daemon,
        account,
        stored.id,
        wait,
        client,
        params.timeout_ms,
      )
      return { id: stored.id, state, ...(reason === undefined ? {} : { reason }) }
    },

    'message.get': async ({ id }) => {
      const account = daemon.requireAccount()
      const stored = await account.archive.history.get(id)
      if (stored === undefined) throw noMessage(id)
      return messageView(account, stored)
    },

    'message.list': async ({ buddy, limit }) => {
      const account = daemon.requireAccount()
      const number = conversationOf(account, buddy)
      const messages = account.archive.history.newestFirst(number, limit ?? DEFAULT_LIMIT)
      return await fitting(mapped(messages, (stored) => messageView(account, stored)))
    },

    'outbox.list': async () => {
      const account = daemon.requireAccount()
      return await fitting(mapped(waiting(account), (stored) => messageView(account, stored)))
    },
  }
}

/** Of somebody who is no buddy any more, the conversation is there by number. */
function conversationOf({ archive }: ActiveAccount, name: string | number): AccountNumber {
  const known = archive.roster.find(name)
  if (known !== undefined) return known.number
  return /^\d+$/.test(String(name)) ? Number(name) : archive.roster.require(name).number
}

async function reached(
  daemon: Daemon,
  account: ActiveAccount,
  id: MessageId,
  wait: AwaitedState,
  client: ControlClient,
  timeoutMs: number | undefined,
): Promise<StoredMessage> {
  const { conversations } = account.sessions
  const given = new AbortController()
  const signal = AbortSignal.any([client.signal, given.signal])
  const settled = conversations.settled(id, wait, signal)
  if (timeoutMs === undefined) return await settled
  try {
    return await within(daemon.clock, timeoutMs, settled, () => tooLate(id, wait))
  } finally {
    given.abort(tooLate(id, wait))
  }
}

// The message is on its way all the same: whoever waited gets its id.
function tooLate(id: MessageId, wait: AwaitedState): HollerError {
  const message = `The message is not ${wait} yet; it goes on being sent`
  return new ControlFault('TIMEOUT', message, { details: { id } })
}

async function* waiting({ archive }: ActiveAccount): AsyncIterable<StoredMessage> {
  for (const buddy of archive.outbox.buddies()) {
    for await (const { id } of archive.outbox.after(buddy, 0)) {
      const stored = await archive.history.get(id)
      if (stored !== undefined) yield stored
    }
  }
}
