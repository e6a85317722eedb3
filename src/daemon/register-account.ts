import type { Clock } from '../core/clock.ts'
import { HollerError } from '../core/holler-error.ts'
import { driveLink } from '../io/drive-link.ts'
import type { ServerLinkAddress } from '../protocol/server/link.ts'
import type { AccountNumber } from '../protocol/server/messages.ts'
import { Registration, type RegistrationOptions } from '../tcp/registration.ts'
import { errorOfServer } from './server-errors.ts'
import type { ConnectServer } from './server-session.ts'

export interface RegisterAccount {
  readonly wish: RegistrationOptions
  readonly clock: Clock
  readonly connect: ConnectServer
  readonly address: ServerLinkAddress
}

/**
 * Makes an account on a server, or gives one a new password: one connection, one question, one answer.
 *
 * @throws HollerError `SERVER_UNREACHABLE`, `CERTIFICATE_REJECTED`, or the server's refusal.
 */
export async function registerAccount(options: RegisterAccount): Promise<AccountNumber> {
  const { clock, connect, address, wish } = options
  const registration = new Registration(wish)
  let connectError: HollerError | undefined
  return await new Promise<AccountNumber>((resolve, reject) => {
    const driver = driveLink(registration, {
      clock,
      connect: async () => {
        try {
          return await connect(address)
        } catch (error) {
          if (error instanceof HollerError) connectError = error
          throw error
        }
      },
      onEvent: (event) => {
        switch (event.kind) {
          case 'registered':
            resolve(event.number)
            break
          case 'refused':
            reject(errorOfServer(event))
            break
          case 'failed':
            reject(connectError ?? new HollerError('SERVER_UNREACHABLE', event.why))
            break
        }
        driver.stop()
      },
    })
    driver.change((now) => registration.start(now))
  })
}
