/**
 * The methods of the admin socket, newline-delimited JSON-RPC 2.0 as on the daemon's control socket: the one source of
 * their validators and types. `docs/operations.md` is the page for people.
 */
import { z } from 'zod'

/** A number (`10001`, as number or digits) or a handle. */
const name = z.union([z.string().min(1).max(64), z.number().int().positive()]).transform(String)
const nothing = z.strictObject({})
const moment = z.string() // ISO 8601
const durationMs = z.number().int().min(0)

/** A day is the longest wait that the protocol can tell a client. */
const DAY_MS = 24 * 60 * 60 * 1000

const account = z.object({
  number: z.number().int(),
  handle: z.string(),
  isDisabled: z.boolean(),
  isOnline: z.boolean(),
  createdAt: moment,
})

const accountDetail = account.extend({
  disabledAt: moment.nullable(),
  session: z.object({ remote: z.string(), client: z.string(), since: moment }).nullable(),
  devices: z.number().int(),
  buddies: z.object({
    accepted: z.number().int(),
    asked: z.number().int(),
    asking: z.number().int(),
    blocked: z.number().int(),
  }),
  mail: z.object({ messages: z.number().int(), bytes: z.number().int() }),
})

const invite = z.object({
  id: z.string(),
  state: z.enum(['open', 'used-up', 'expired', 'revoked']),
  uses: z.number().int(),
  used: z.number().int(),
  note: z.string(),
  createdAt: moment,
  expiresAt: moment.nullable(),
})

const running = {
  version: z.string(),
  startedAt: moment,
  link: z.string(),
  relaySessions: z.number().int(),
  memoryBytes: z.number().int(),
  isDraining: z.boolean(),
}

const serverStats = z.object({
  role: z.literal('server'),
  ...running,
  accounts: z.number().int(),
  online: z.number().int(),
  strangers: z.number().int(),
  /** What waits for its owners; `null` while it is being counted after a start. */
  mail: z.object({ messages: z.number().int(), bytes: z.number().int() }).nullable(),
  isRegistrationOpen: z.boolean(),
})

const relayStats = z.object({
  role: z.literal('relay'),
  ...running,
  relayChannels: z.number().int(),
  relayStreams: z.number().int(),
})

const stats = z.discriminatedUnion('role', [serverStats, relayStats])

export const MAX_ACCOUNT_PAGE = 1_000

export const adminMethods = {
  'account.list': {
    params: z.strictObject({
      after: z.number().int().min(0).default(0),
      limit: z.number().int().min(1).max(MAX_ACCOUNT_PAGE).default(MAX_ACCOUNT_PAGE),
    }),
    result: z.object({ accounts: z.array(account), isLast: z.boolean() }),
  },
  'account.show': { params: z.strictObject({ name }), result: accountDetail },
  'account.disable': { params: z.strictObject({ name }), result: account },
  'account.enable': { params: z.strictObject({ name }), result: account },
  'account.reset': {
    params: z.strictObject({ name, expires_ms: durationMs.min(60_000).max(30 * DAY_MS) }),
    result: z.object({ account, code: z.string(), expiresAt: moment, link: z.string() }),
  },
  'account.delete': {
    params: z.strictObject({ name, free_handle: z.boolean().default(false) }),
    result: z.object({ number: z.number().int(), handle: z.string(), buddies: z.number().int() }),
  },
  'invite.create': {
    params: z.strictObject({
      uses: z.number().int().min(1).max(100_000).default(1),
      /** `null`: it does not expire. */
      expires_ms: durationMs
        .min(1_000)
        .max(3_650 * DAY_MS)
        .nullable(),
      note: z.string().max(200).default(''),
    }),
    result: invite.extend({ token: z.string(), link: z.string() }),
  },
  'invite.list': { params: nothing, result: z.object({ invites: z.array(invite) }) },
  'invite.revoke': { params: z.strictObject({ id: z.string().min(1).max(64) }), result: invite },
  stats: { params: nothing, result: stats },
  drain: {
    params: z.strictObject({
      after_ms: durationMs.max(DAY_MS).default(0),
      spread_ms: durationMs.max(DAY_MS).optional(),
      linger_ms: durationMs.max(60 * 60 * 1000).default(0),
    }),
    result: z.object({ sessions: z.number().int(), spreadMs: z.number() }),
  },
} as const

export type AdminMethod = keyof typeof adminMethods
export type AdminParams<M extends AdminMethod> = z.input<(typeof adminMethods)[M]['params']>
export type AdminResult<M extends AdminMethod> = z.output<(typeof adminMethods)[M]['result']>
export type AccountView = z.output<typeof account>
export type AccountDetail = z.output<typeof accountDetail>
export type InviteView = z.output<typeof invite>
export type StatsView = z.output<typeof stats>
export type ServerStatsView = z.output<typeof serverStats>
