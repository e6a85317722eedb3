import { HollerError } from '../core/holler-error.ts'
import { fitting } from './control-fitting.ts'
import type { Handlers } from './control-handler.ts'
import type { Daemon } from './daemon.ts'

type EventMethod = 'events.subscribe' | 'events.unsubscribe' | 'events.fetch' | 'events.ack'

const DEFAULT_LIMIT = 100

export function eventMethods(daemon: Daemon): Handlers<EventMethod> {
  return {
    'events.subscribe': ({ name, since, types }, client) => {
      const after = startOf(daemon, since ?? (name === undefined ? 'now' : 'ack'), name)
      client.subscribe({ after, ...(types === undefined ? {} : { types }) })
      return { seq: after }
    },

    'events.unsubscribe': (_params, client) => {
      client.unsubscribe()
      return {}
    },

    'events.fetch': async ({ after, limit }) =>
      await fitting(daemon.journal.read(after, limit ?? DEFAULT_LIMIT)),

    'events.ack': async ({ name, seq }) => {
      refuseFuture(daemon, seq)
      await daemon.consumers.acknowledge(name, seq)
      return {}
    },
  }
}

function startOf(daemon: Daemon, since: 'ack' | 'now' | number, name: string | undefined): number {
  if (since === 'now') return daemon.journal.lastSeq
  if (since === 'ack') {
    if (name === undefined) {
      throw new HollerError('INVALID_PARAMS', 'Since "ack" needs a name: whose acknowledgement?')
    }
    return daemon.consumers.acknowledged(name)
  }
  refuseFuture(daemon, since)
  return since
}

/** A number from another store would wait for events that are years away, and miss all until then. */
function refuseFuture({ journal }: Daemon, seq: number): void {
  if (seq <= journal.lastSeq) return
  const message = `There is no event ${seq} yet, the last one is ${journal.lastSeq}; is it this daemon's number?`
  throw new HollerError('INVALID_PARAMS', message)
}
