import type { Handlers } from './control-handler.ts'
import type { Daemon } from './daemon.ts'

type AccountMethod =
  'account.register' | 'account.login' | 'account.reset' | 'account.logout' | 'presence.set'

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

    'presence.set': async ({ state, text }) => {
      await daemon.requireAccount().setPresence({ state, text: text ?? '' })
      return {}
    },
  }
}
