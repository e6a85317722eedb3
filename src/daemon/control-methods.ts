/** Every method of `protocol/control/schema.ts`, by its subject. */
import type { Method } from '../protocol/control/schema.ts'
import { accountMethods } from './control-account-methods.ts'
import { buddyMethods } from './control-buddy-methods.ts'
import { daemonMethods } from './control-daemon-methods.ts'
import { eventMethods } from './control-event-methods.ts'
import type { Handlers } from './control-handler.ts'
import { identityMethods } from './control-identity-methods.ts'
import { messageMethods } from './control-message-methods.ts'
import { netMethods } from './control-net-methods.ts'
import type { Daemon } from './daemon.ts'

export type ControlMethods = Handlers<Method>

export function controlMethods(daemon: Daemon, onShutdown: () => void): ControlMethods {
  return {
    ...daemonMethods(daemon, onShutdown),
    ...accountMethods(daemon),
    ...buddyMethods(daemon),
    ...identityMethods(daemon),
    ...messageMethods(daemon),
    ...netMethods(daemon),
    ...eventMethods(daemon),
  }
}
