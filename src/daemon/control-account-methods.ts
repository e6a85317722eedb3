import { HollerError } from '../core/holler-error.ts'
import type { Handlers } from './control-handler.ts'
import type { Daemon } from './daemon.ts'

type AccountMethod =
  | 'account.register'
  | 'account.login'
  | 'account.reset'
  | 'account.logout'
  | 'presence.set'
  | 'presence.get'
  | 'profile.get'
  | 'profile.set'

export function accountMethods(daemon: Daemon): Handlers<AccountMethod> {
  return {
    'account.register': async ({ invite, ...wish }) =>
      await daemon.register({ ...wish, ...(invite === undefined ? {} : { invite }) }),

    'account.login': async (wish) => await daemon.login(wish),

    'account.reset': async (wish) => await daemon.resetPassword(wish),

    'account.logout': async () => {
      await daemon.logout()
      return {}
    },

    'presence.set': async ({ state, text, until }) => {
      const untilMs = until === undefined ? undefined : Date.parse(until)
      if (untilMs !== undefined && untilMs <= daemon.clock.wallNow()) {
        throw new HollerError('INVALID_PARAMS', `"${until}" is over already`)
      }
      const presence = { state, text: text ?? '', ...(untilMs === undefined ? {} : { untilMs }) }
      await daemon.requireAccount().setPresence(presence)
      return {}
    },

    'presence.get': () => {
      const { state, text, untilMs } = daemon.requireAccount().account.presence
      return { state, text, until: untilMs === undefined ? null : new Date(untilMs).toISOString() }
    },

    'profile.get': async ({ buddy }) => {
      const { archive, desk } = daemon.requireAccount()
      return await desk.profile(
        buddy === undefined ? undefined : archive.roster.require(buddy).number,
      )
    },

    'profile.set': async (wanted) => {
      await daemon.requireAccount().desk.setProfile(wanted)
      return {}
    },
  }
}
