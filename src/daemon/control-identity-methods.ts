import type { Handlers } from './control-handler.ts'
import type { Daemon } from './daemon.ts'

export function identityMethods(daemon: Daemon): Handlers<'identity.accept'> {
  return {
    'identity.accept': async ({ buddy }) => {
      const account = daemon.requireAccount()
      await account.acceptIdentity(account.archive.roster.require(buddy))
      return {}
    },
  }
}
