/** Registration and login: who may have which account, and who has proved to be whom. */
import { equalBytes, toBase64 } from '../core/bytes.ts'
import type { Endpoint } from '../core/endpoint.ts'
import type { Instant } from '../core/instant.ts'
import type { SecureChannel } from '../core/machine.ts'
import {
  deviceLoginStatement,
  sessionResumedProof,
  sessionResumeStatement,
  staticKeyStatement,
} from '../crypto/device-statement.ts'
import { verifySignature } from '../crypto/identity.ts'
import { isAcceptableHashing } from '../crypto/password-hashing.ts'
import { fakeVerifier, readClientFirst, ScramServer } from '../crypto/scram.ts'
import type {
  DeviceKeys,
  Hello,
  Register,
  ReplacePassword,
  Response,
  Resume,
  ResumePass,
  RosterVersion,
} from '../protocol/server/messages.ts'
import { rateLimited, type Refusal, refused } from './answer.ts'
import { normaliseHandle, readName } from './handle.ts'
import type { LoginThrottle } from './login-throttle.ts'
import type { Outside } from './outside.ts'
import { isForPassword, type ResumeTickets } from './resume-tickets.ts'
import { hashOfToken } from './secret-token.ts'
import { type InviteFault, inviteFault } from './store/admin-store.ts'
import type { Account, ServerStore } from './store/server-store.ts'
import type { Epoch } from './store/session-store.ts'

/** 24 characters of base64: what goes on after the client's nonce. */
const NONCE_BYTES = 18

/** Names that no account can have share one count; it is none of the names that one can have. */
const NO_NAME = ''

/** Between `hello` and `response`: everything the proof is judged by, whether the account exists or not. */
export interface LoginAttempt {
  readonly kind: 'attempt'
  readonly scram: ScramServer
  readonly account: Account | undefined
  /** The name in one form. */
  readonly name: string
  /** What the throttle counts it under. */
  readonly throttleKey: string
  /** Whether the challenge was counted, so that a success gives it back. */
  readonly isCounted: boolean
  readonly device: DeviceKeys
  readonly knownDevices: readonly DeviceKeys[]
  readonly client: string
  readonly channel: SecureChannel
}

export interface LoggedIn {
  readonly kind: 'logged-in'
  readonly account: Account
  readonly device: DeviceKeys
  /** The device that the account logged in from last, if this is another one or has other keys now. */
  readonly isOtherDevice: boolean
  readonly proof: ServerProof
  /** The version of the buddy list that the client has. */
  readonly roster?: RosterVersion
}

/** How the server proves itself in turn. */
export type ServerProof =
  | { readonly kind: 'scram'; readonly serverFinal: string }
  | {
      readonly kind: 'resumed'
      readonly proof: Uint8Array
      /** The epoch that the ticket was given for. */
      readonly epoch: Epoch
      /** What the client says it has been told of its buddies. */
      readonly presence: Uint8Array
    }

export interface AccountsOptions {
  readonly store: ServerStore
  readonly throttle: LoginThrottle
  readonly tickets: ResumeTickets
  readonly outside: Outside
  /** Makes unknown accounts look like known ones; the server's own and always the same. */
  readonly unknownAccountSecret: Uint8Array
  /** Asked at each registration: a running server can be told otherwise. */
  readonly isRegistrationOpen: () => boolean
}

export class Accounts {
  readonly #options: AccountsOptions

  constructor(options: AccountsOptions) {
    this.#options = options
  }

  async register(message: Register, from: Endpoint): Promise<Account | Refusal> {
    const { store, throttle, outside, isRegistrationOpen } = this.#options
    const { invite } = message
    if (invite === undefined && !isRegistrationOpen())
      return refused('registration-closed', 'This server takes new accounts by invitation only')
    const waitMs = throttle.registering(outside.clock.now(), from)
    if (waitMs > 0) return rateLimited(waitMs)
    // The invitation first: without one, nobody learns which handles there are.
    const fault = invite === undefined ? undefined : await this.#inviteFault(invite)
    if (fault !== undefined) return notInvited(fault)
    const handle = normaliseHandle(message.handle)
    if (handle === undefined) {
      return refused(
        'handle-invalid',
        'A handle has 3 to 32 of a-z 0-9 . _ - and begins with a letter',
      )
    }
    const { verifier } = message
    if (!isAcceptableHashing(verifier.hashing)) return badHashing
    const createdAtMs = outside.clock.wallNow()
    const wish = { handle, verifier, createdAtMs }
    if (invite === undefined) return (await store.createAccount(wish)) ?? handleTaken
    const outcome = await store.admin.createInvited(wish, hashOfToken(invite), createdAtMs)
    switch (outcome.kind) {
      case 'made':
        return outcome.account
      case 'handle-taken':
        return handleTaken
      case 'not-invited':
        return notInvited(outcome.why)
    }
  }

  /** A wrong code counts as a wrong password does, and says the same whether there is such an account or not. */
  async replacePassword(message: ReplacePassword, from: Endpoint): Promise<Account | Refusal> {
    const { store, throttle, outside } = this.#options
    const ref = readName(message.user)
    const throttleKey = ref === undefined ? NO_NAME : nameOf(ref)
    const now = outside.clock.now()
    const waitMs = throttle.waitMs(now, throttleKey, from, false)
    if (waitMs > 0) return rateLimited(waitMs)
    const { verifier, code } = message
    if (!isAcceptableHashing(verifier.hashing)) return badHashing
    throttle.failed(now, throttleKey, from, false) // counted before the store is asked: guesses come one by one
    const account = await this.#find(ref)
    const wallNow = outside.clock.wallNow()
    const hash = hashOfToken(code)
    const changed = await store.admin.reset(account?.number ?? 0, hash, wallNow, verifier)
    return changed ?? refused('code-invalid', 'This code does not replace the password')
  }

  /**
   * Whoever asks gets a challenge, for an unknown account one made up from its name: with the same reading, hashing
   * and signing, so that neither bytes nor time tell which it was. Where a network has had too many, only those go on
   * who name a device that the account knows: strangers know none, and the owner is not locked out by a neighbour.
   */
  async begin(hello: Hello, channel: SecureChannel): Promise<LoginAttempt | Refusal> {
    const first = readClientFirst(hello.scram)
    if (!first.ok) return refused('malformed', 'Not a SCRAM-SHA-256-PLUS message')
    if (!isDeviceSound(hello.device)) {
      return refused('malformed', 'The static key is not signed by the device')
    }
    const { user } = first.value
    const ref = readName(user)
    const name = ref === undefined ? user.toLowerCase() : nameOf(ref)
    const { store, throttle, unknownAccountSecret, outside } = this.#options
    const account = await this.#find(ref)
    const knownDevices = await store.devices(account?.number ?? 0)
    const waitMs = throttle.challenging(outside.clock.now(), channel.remote)
    if (waitMs > 0 && !knownDevices.some((known) => isSameDevice(known, hello.device))) {
      return rateLimited(waitMs)
    }
    const unknown = fakeVerifier(unknownAccountSecret, name)
    const scram = new ScramServer({
      clientFirst: hello.scram,
      verifier: account?.verifier ?? unknown,
      serverNonce: toBase64(outside.random.bytes(NONCE_BYTES)),
      exporter: channel.exporter,
    })
    const { device, client } = hello
    const throttleKey = ref === undefined ? NO_NAME : name
    const known = { account, knownDevices, name, throttleKey, isCounted: waitMs === 0 }
    return { kind: 'attempt', scram, ...known, device, client, channel }
  }

  /** Judges the proofs of password and device. Waits for nothing, so guesses in parallel count one by one. */
  finish(now: Instant, attempt: LoginAttempt, response: Response): LoggedIn | Refusal {
    const { throttle } = this.#options
    const { account, device, throttleKey, channel } = attempt
    const statement = deviceLoginStatement(channel.exporter)
    const isDevice = verifySignature(device.identity, statement, response.deviceSignature)
    const isKnownDevice =
      isDevice && attempt.knownDevices.some((known) => isSameDevice(known, device))
    const waitMs = throttle.waitMs(now, throttleKey, channel.remote, isKnownDevice)
    if (waitMs > 0) return rateLimited(waitMs)
    const proof = attempt.scram.verifyClientFinal(response.scram)
    if (!isDevice || !proof.ok || account === undefined) {
      throttle.failed(now, throttleKey, channel.remote, isKnownDevice)
      return refused('auth-failed', 'Wrong account name or password')
    }
    if (account.disabledAtMs !== undefined) return accountDisabled // to whoever has the password, and to nobody else
    if (attempt.isCounted) throttle.succeeded(channel.remote)
    const { serverFinal } = proof.value
    return {
      kind: 'logged-in',
      account,
      device,
      isOtherDevice: isOtherDevice(attempt.knownDevices, device),
      proof: { kind: 'scram', serverFinal },
      ...(response.roster === undefined ? {} : { roster: response.roster }),
    }
  }

  /**
   * Judges a ticket: written by us, for the password of today, in the account's present session, and handed in by the
   * device that had it. Whatever is wrong, the answer is the same: log in.
   */
  async resume(message: Resume, { exporter }: SecureChannel): Promise<LoggedIn | Refusal> {
    const { store, tickets } = this.#options
    const { ticket, deviceSignature, presence, roster } = message
    const claim = tickets.read(ticket)
    if (claim === undefined) return resumeRefused()
    const { number, epoch } = claim
    const [account, standing, devices] = await Promise.all([
      store.account(number),
      store.sessions.standing(number),
      store.devices(number),
    ])
    if (account === undefined || account.disabledAtMs !== undefined) return resumeRefused()
    if (!isForPassword(claim, account.verifier)) return resumeRefused()
    if (standing?.epoch !== epoch) return resumeRefused()
    const { device } = standing
    const statement = sessionResumeStatement(exporter, ticket)
    if (!verifySignature(device.identity, statement, deviceSignature)) return resumeRefused()
    const proof = sessionResumedProof(tickets.keyOf(ticket), exporter)
    return {
      kind: 'logged-in',
      account,
      device,
      isOtherDevice: isOtherDevice(devices, device),
      proof: { kind: 'resumed', proof, epoch, presence },
      ...(roster === undefined ? {} : { roster }),
    }
  }

  /** What the session of that epoch can be resumed with. */
  passOf(account: Account, epoch: Epoch): ResumePass {
    return this.#options.tickets.issue(account, epoch)
  }

  async #find(ref: ReturnType<typeof readName>): Promise<Account | undefined> {
    const { store } = this.#options
    return ref?.kind === 'handle'
      ? await store.accountByHandle(ref.handle)
      : await store.account(ref?.number ?? 0)
  }

  async #inviteFault(token: string): Promise<InviteFault | undefined> {
    const { store, outside } = this.#options
    const invite = await store.admin.invite(hashOfToken(token))
    return invite === undefined ? 'unknown' : inviteFault(invite, outside.clock.wallNow())
  }
}

/** When a client may try again: an administrator thinks about it longer than that. */
export const DISABLED_RETRY_MS = 600_000

const badHashing = refused('malformed', 'The password is hashed too weakly or at too great a cost')
const handleTaken = refused('handle-taken', 'This handle belongs to somebody else')
const accountDisabled = refused(
  'account-disabled',
  'The administrator has disabled this account',
  DISABLED_RETRY_MS,
)

function notInvited(why: InviteFault): Refusal {
  switch (why) {
    case 'unknown': // whoever withdraws an invitation does not want to talk about it
    case 'revoked':
      return refused('invite-invalid', 'There is no such invitation')
    case 'expired':
      return refused('invite-invalid', 'This invitation has expired')
    case 'used-up':
      return refused('invite-invalid', 'This invitation has been used already')
  }
}

export function resumeRefused(): Refusal {
  return refused('resume-refused', 'This session cannot be resumed; log in')
}

/** The one used last is the first of those known. */
function isOtherDevice([last]: readonly DeviceKeys[], device: DeviceKeys): boolean {
  return last === undefined || !haveSameKeys(last, device)
}

function isDeviceSound(device: DeviceKeys): boolean {
  return verifySignature(device.identity, staticKeyStatement(device.static), device.staticSignature)
}

function isSameDevice(a: DeviceKeys, b: DeviceKeys): boolean {
  return equalBytes(a.identity, b.identity)
}

function haveSameKeys(a: DeviceKeys, b: DeviceKeys): boolean {
  return isSameDevice(a, b) && equalBytes(a.static, b.static)
}

function nameOf(ref: NonNullable<ReturnType<typeof readName>>): string {
  return ref.kind === 'number' ? String(ref.number) : ref.handle
}
