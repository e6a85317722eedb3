import { saltedPassword } from '../../../src/crypto/password.ts'
import { DEFAULT_HASHING } from '../../../src/crypto/password-hashing.ts'
import { makeVerifier } from '../../../src/crypto/scram.ts'
import { driveLink, type LinkDriver } from '../../../src/io/drive-link.ts'
import { systemRandom } from '../../../src/io/random.ts'
import { systemClock } from '../../../src/io/system-clock.ts'
import { connectTls } from '../../../src/io/tls.ts'
import { parseServerLink, SESSION_ALPN } from '../../../src/protocol/server/link.ts'
import type { MailSeq, RequestId } from '../../../src/protocol/server/messages.ts'
import type { SecureStream } from '../../../src/io/byte-stream.ts'
import { Registration, type RegistrationEvent } from '../../../src/tcp/registration.ts'
import { ServerLink } from '../../../src/tcp/server-link.ts'
import type { ServerLinkEvent, ServerRequest } from '../../../src/tcp/server-link-event.ts'
import { Waiters } from '../../support/waiters.ts'
import { testDevice } from './test-device.ts'

const STEP_MS = 8_000

export async function connectTo(link: string): Promise<SecureStream> {
  const address = parseServerLink(link)
  if (!address.ok) throw new Error(address.why)
  return await connectTls({ ...address.value, alpn: SESSION_ALPN, timeoutMs: STEP_MS })
}

/** Registers as a daemon does. */
export async function register(
  link: string,
  handle: string,
  password: string,
  invite?: string,
): Promise<RegistrationEvent> {
  const salt = systemRandom.bytes(16)
  const salted = await saltedPassword(password, salt, DEFAULT_HASHING)
  const machine = new Registration({
    kind: 'register',
    handle,
    verifier: makeVerifier(salted, salt, DEFAULT_HASHING),
    ...(invite === undefined ? {} : { invite }),
  })
  return await new Promise((resolve) => {
    const driver = driveLink(machine, {
      clock: systemClock,
      connect: () => connectTo(link),
      onEvent: (event) => {
        resolve(event)
        driver.stop()
      },
    })
    driver.change((now) => machine.start(now))
  })
}

/** A daemon's server link on a real TLS connection. */
export class RealClient {
  readonly events: ServerLinkEvent[] = []
  readonly #waiters = new Waiters()
  readonly #machine: ServerLink
  readonly #driver: LinkDriver

  constructor(link: string, user: string, password: string) {
    const { identity, keys } = testDevice(user)
    this.#machine = new ServerLink({
      user,
      deviceIdentity: identity,
      deviceKeys: keys,
      client: 'test/1',
      random: systemRandom,
    })
    this.#driver = driveLink(this.#machine, {
      clock: systemClock,
      connect: () => connectTo(link),
      onEvent: (event) => {
        this.events.push(event)
        if (event.kind === 'hash-wanted') void this.#hash(event, password)
        this.#waiters.notify()
      },
    })
    this.#driver.change((now) => this.#machine.start(now))
  }

  request(message: ServerRequest): RequestId {
    return this.#driver.change((now) => this.#machine.request(now, message))
  }

  acknowledge(seqs: readonly MailSeq[]): void {
    this.#driver.change((now) => this.#machine.acknowledge(now, seqs))
  }

  logOut(): void {
    this.#driver.change((now) => this.#machine.stop(now))
  }

  stop(): void {
    this.#driver.stop()
  }

  /** The next event, past or to come, that `pick` finds; events are found once. */
  async next<T>(what: string, pick: (event: ServerLinkEvent) => T | undefined): Promise<T> {
    const look = (): T | undefined => {
      for (const [index, event] of this.events.entries()) {
        const found = pick(event)
        if (found === undefined) continue
        this.events.splice(index, 1)
        return found
      }
      return undefined
    }
    return await this.#waiters.until(look, STEP_MS, () => `No ${what} came`)
  }

  async #hash(
    { salt, hashing }: Extract<ServerLinkEvent, { kind: 'hash-wanted' }>,
    password: string,
  ): Promise<void> {
    const salted = await saltedPassword(password, salt, hashing)
    this.#driver.change((now) =>
      this.#machine.passwordHashed(now, { salt, hashing, saltedPassword: salted }),
    )
  }
}
