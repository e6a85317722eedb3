import {
  CONTROL_PROTOCOL_VERSION,
  eventTypes,
  MAX_LINE_BYTES,
  methods,
} from '../protocol/control/schema.ts'
import { HollerError } from '../core/holler-error.ts'
import { MAX_IN_FLIGHT } from './control-connection.ts'
import type { Handlers } from './control-handler.ts'
import type { Daemon } from './daemon.ts'
import { statusView } from './views.ts'

type DaemonMethod = 'hello' | 'status.get' | 'daemon.shutdown'

export function daemonMethods(daemon: Daemon, onShutdown: () => void): Handlers<DaemonMethod> {
  return {
    hello: ({ protocols }) => {
      if (protocols !== undefined && !protocols.includes(CONTROL_PROTOCOL_VERSION)) {
        const message = `This daemon speaks protocol ${CONTROL_PROTOCOL_VERSION}`
        throw new HollerError('UNSUPPORTED', message)
      }
      return {
        protocol: CONTROL_PROTOCOL_VERSION,
        daemon: `hollerd/${daemon.version}`,
        instance: daemon.device.instance,
        account: daemon.account?.person ?? null,
        features: [...Object.keys(methods), ...eventTypes.durable, ...eventTypes.ephemeral],
        seq: daemon.journal.lastSeq,
        limits: { lineBytes: MAX_LINE_BYTES, inFlight: MAX_IN_FLIGHT },
      }
    },

    'status.get': () => statusView(daemon),

    'daemon.shutdown': (_params, client) => {
      client.afterAnswer(onShutdown)
      return {}
    },
  }
}
