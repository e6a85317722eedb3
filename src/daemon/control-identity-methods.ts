import { toHex } from '../core/bytes.ts'
import { safetyNumber } from '../crypto/safety-number.ts'
import type { Method } from '../protocol/control/schema.ts'
import type { Handlers } from './control-handler.ts'
import type { Daemon } from './daemon.ts'
import { personOf } from './roster.ts'

type IdentityMethod = Extract<Method, `identity.${string}`>

export function identityMethods(daemon: Daemon): Handlers<IdentityMethod> {
  const own = daemon.device.keys.identity
  return {
    'identity.show': () => ({ ...daemon.requireAccount().person, identity: toHex(own) }),

    'identity.peer': ({ buddy }) => {
      const { archive } = daemon.requireAccount()
      const found = archive.roster.require(buddy)
      const pin = archive.pins.get(found.number)
      const shown = (identity: Uint8Array): { identity: string; safetyNumber: string } => ({
        identity: toHex(identity),
        safetyNumber: safetyNumber(own, identity),
      })
      const known = pin && shown(pin.identity)
      const { verifiedAtMs, other } = pin ?? {}
      return {
        buddy: personOf(found),
        identity: known?.identity ?? null,
        safetyNumber: known?.safetyNumber ?? null,
        verifiedAt: verifiedAtMs === undefined ? null : new Date(verifiedAtMs).toISOString(),
        other: other === undefined ? null : shown(other.identity),
      }
    },

    'identity.verify': async ({ buddy, safety_number: number }) => {
      const account = daemon.requireAccount()
      await account.verifyIdentity(account.archive.roster.require(buddy), number)
      return {}
    },

    'identity.accept': async ({ buddy }) => {
      const account = daemon.requireAccount()
      await account.acceptIdentity(account.archive.roster.require(buddy))
      return {}
    },
  }
}
