import type { Method } from '../protocol/control/schema.ts'
import type { Handlers } from './control-handler.ts'
import type { Daemon } from './daemon.ts'
import { buddyView, loginView } from './views.ts'

type BuddyMethod = Extract<Method, `buddy.${string}`>

export function buddyMethods(daemon: Daemon): Handlers<BuddyMethod> {
  return {
    'buddy.list': () => {
      const account = daemon.requireAccount()
      return account.archive.roster.all().map((buddy) => buddyView(account, buddy))
    },

    'buddy.get': async ({ buddy }) => {
      const account = daemon.requireAccount()
      const found = account.archive.roster.require(buddy)
      const isThere = account.presence.isOnline(found.number) && daemon.status.state === 'online'
      const located = isThere ? await account.desk.locate(found) : undefined
      return { ...buddyView(account, found), login: located ? loginView(located) : null }
    },

    'buddy.search': async ({ buddy }) => await daemon.requireAccount().desk.search(String(buddy)),

    'buddy.online': async ({ after }) => await daemon.requireAccount().desk.online(after ?? 0),

    'buddy.move': async ({ buddy, group }) => {
      const account = daemon.requireAccount()
      await account.desk.move(account.archive.roster.require(buddy), group)
      return {}
    },

    'buddy.setNote': async ({ buddy, note }) => {
      const account = daemon.requireAccount()
      await account.desk.note(account.archive.roster.require(buddy), note)
      return {}
    },

    'buddy.add': async ({ buddy, note }) => {
      await daemon.requireAccount().requestBuddy(String(buddy), note ?? '')
      return {}
    },

    'buddy.accept': async ({ buddy }) => {
      const account = daemon.requireAccount()
      await account.answerBuddy(account.archive.roster.require(buddy), 'buddy-accept')
      return {}
    },

    'buddy.reject': async ({ buddy }) => {
      const account = daemon.requireAccount()
      await account.answerBuddy(account.archive.roster.require(buddy), 'buddy-reject')
      return {}
    },

    'buddy.remove': async ({ buddy }) => {
      const account = daemon.requireAccount()
      await account.removeBuddy(account.archive.roster.require(buddy))
      return {}
    },

    'buddy.block': async ({ buddy }) => {
      await daemon.requireAccount().block(buddy)
      return {}
    },

    'buddy.unblock': async ({ buddy }) => {
      const account = daemon.requireAccount()
      await account.unblock(account.archive.roster.require(buddy))
      return {}
    },

    'buddy.setPolicy': async ({ buddy, path }) => {
      const account = daemon.requireAccount()
      await account.setPolicy(account.archive.roster.require(buddy), path)
      return {}
    },
  }
}
