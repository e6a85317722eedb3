/**
 * The control socket's methods and events: the one source of their validators and their types.
 * Newline-delimited JSON-RPC 2.0; `docs/protocol/control.md` is the page for people.
 *
 * Names of fields on the wire are the contract with scripts: only ever added to.
 */
import { z } from 'zod'
import { natDependences } from '../server/nat-profile.ts'

export const CONTROL_PROTOCOL_VERSION = 1

export { MAX_LINE_BYTES } from './json-lines.ts'

/** A number (`10001`, as number or digits) or a handle. */
const buddyName = z.union([z.string().min(1).max(64), z.number().int().positive()])
const nothing = z.strictObject({})
const done = z.object({})

const natDependence = z.enum(natDependences)
const portRule = z.discriminatedUnion('kind', [
  z.object({ kind: z.enum(['preserve', 'unknown']) }),
  z.object({ kind: z.literal('sequential'), step: z.number().int() }),
  z.object({
    kind: z.enum(['random', 'parity', 'block']),
    low: z.number().int(),
    high: z.number().int(),
  }),
])
const natProfile = z.object({
  mapping: z.union([z.enum(['none', 'unknown']), natDependence]),
  filtering: z.union([natDependence, z.literal('unknown')]),
  ports: portRule,
  isPooled: z.boolean(),
  lifetimeMs: z.number().optional(),
  depth: z.number().int().optional(),
})

const pathKind = z.enum(['lan', 'direct', 'relay', 'none'])
const pathPolicy = z.enum(['auto', 'lan', 'relay'])
const presenceState = z.enum(['online', 'away', 'busy', 'invisible', 'offline'])
const messageState = z.enum([
  'queued',
  'sent-direct',
  'at-server',
  'delivered',
  'read',
  'failed',
  'expired',
  'cancelled',
])

/** An Ed25519 public key. */
const identity = z.string().regex(/^[0-9a-f]{64}$/)

const person = z.object({ number: z.number().int(), handle: z.string() })

const buddy = z.object({
  number: z.number().int(),
  handle: z.string(),
  state: z.enum(['accepted', 'pending-out', 'pending-in', 'blocked']),
  presence: presenceState,
  presenceText: z.string(),
  /** What we have noted of them; of somebody who asks to be a buddy, what they wrote. */
  note: z.string(),
  /** The group that we have put them in; empty for none. */
  group: z.string(),
  path: pathKind,
  pathPolicy,
})

/** Where a buddy's daemon is, as it told the server and the server saw it. */
const login = z.object({
  client: z.string(),
  since: z.string(),
  /** The server sees its TCP session come from there. */
  seenFrom: z.string(),
  localAddresses: z.array(z.string()),
  publicAddresses: z.array(z.string()),
  /** 0: none. */
  udpPort: z.number().int(),
  tcpPort: z.number().int(),
  nat: natProfile.nullable(),
})

const ownPresenceState = z.enum(['online', 'away', 'busy', 'invisible'])

const message = z.object({
  id: z.string(),
  direction: z.enum(['in', 'out']),
  buddy: person,
  text: z.string(),
  state: messageState,
  at: z.string(),
  replyTo: z.string().optional(),
})

const path = z.object({
  buddy: person,
  kind: pathKind,
  local: z.string().nullable(),
  remote: z.string().nullable(),
  relay: z.enum(['udp', 'tls']).nullable(),
  rttMs: z.number(),
  lossRatio: z.number(),
  since: z.string().nullable(),
  reason: z.string(),
  remedy: z.string(),
  strategies: z.array(z.string()),
  /** What was tried beyond plain probes, oldest first, and how each ended. */
  attempts: z.array(z.object({ strategy: z.string(), verdict: z.string(), probes: z.number() })),
  candidates: z.array(
    z.object({ side: z.enum(['local', 'remote']), kind: z.string(), endpoint: z.string() }),
  ),
  /** What the buddy's NAT does, as his daemon said when the session began; null where it said nothing. */
  nat: natProfile.nullable(),
})

const status = z.object({
  version: z.string(),
  startedAt: z.string(),
  session: z.enum(['logged-out', 'connecting', 'online', 'waiting', 'replaced', 'refused']),
  sessionReason: z.string(),
  server: z.string().nullable(),
  account: person.nullable(),
  udp: z.string().nullable(),
  publicAddresses: z.array(z.string()),
  buddies: z.object({
    total: z.number().int(),
    online: z.number().int(),
    direct: z.number().int(),
    relay: z.number().int(),
  }),
  outbox: z.number().int(),
  lastSeq: z.number().int(),
})

const event = z.object({
  seq: z.number().int(),
  type: z.string(),
  at: z.string(),
  data: z.record(z.string(), z.unknown()),
})

/** Where a subscription starts: after the last acknowledged event, after a sequence number, or with the next event. */
const since = z.union([z.literal('ack'), z.literal('now'), z.number().int().nonnegative()])

const credentials = { server: z.string().min(1).max(512), password: z.string().min(1).max(1024) }

export const methods = {
  hello: {
    params: z.object({
      client: z.string().max(256).optional(),
      protocols: z.array(z.number()).optional(),
    }),
    result: z.object({
      protocol: z.number(),
      daemon: z.string(),
      instance: z.string(),
      account: person.nullable(),
      features: z.array(z.string()),
      seq: z.number().int(),
      limits: z.object({ lineBytes: z.number(), inFlight: z.number() }),
    }),
  },
  'status.get': { params: nothing, result: status },
  'daemon.shutdown': { params: nothing, result: done },

  /** Makes the account on the server and logs in with it. */
  'account.register': {
    params: z.strictObject({
      ...credentials,
      handle: z.string().min(1).max(64),
      invite: z.string().optional(),
    }),
    result: person,
  },
  /** Resolves when the server has said welcome; the credentials are kept for reconnecting. */
  'account.login': {
    params: z.strictObject({ ...credentials, user: z.string().min(1).max(64) }),
    result: person,
  },
  /** Sets a new password with an administrator's code, and logs in with it. */
  'account.reset': {
    params: z.strictObject({
      ...credentials,
      user: z.string().min(1).max(64),
      code: z.string().min(1).max(128),
    }),
    result: person,
  },
  'account.logout': { params: nothing, result: done },
  'presence.set': {
    params: z.strictObject({
      state: ownPresenceState,
      text: z.string().max(280).optional(),
      /** Then it is `online` again, without a text. */
      until: z.iso.datetime({ offset: true }).optional(),
    }),
    result: done,
  },
  'presence.get': {
    params: nothing,
    result: z.object({ state: ownPresenceState, text: z.string(), until: z.string().nullable() }),
  },

  /** What a buddy says of themselves; without `buddy`, what we do. */
  'profile.get': {
    params: z.strictObject({ buddy: buddyName.optional() }),
    result: z.object({
      number: z.number().int(),
      name: z.string(),
      text: z.string(),
      /** Whether everybody may find us by `buddy.online`; told of ourselves alone. */
      listed: z.boolean().optional(),
    }),
  },
  /** What is not named stays. */
  'profile.set': {
    params: z.strictObject({
      name: z.string().max(64).optional(),
      text: z.string().max(280).optional(),
      listed: z.boolean().optional(),
    }),
    result: done,
  },

  'buddy.list': { params: nothing, result: z.array(buddy) },
  /** Who has this number, or exactly this handle: answered by the server. */
  'buddy.search': { params: z.strictObject({ buddy: buddyName }), result: person },
  /** One of the list, with where they are: `null` where they are not there, invisible, or do not tell us. */
  'buddy.get': {
    params: z.strictObject({ buddy: buddyName }),
    result: buddy.extend({ login: login.nullable() }),
  },
  /** Who is online, of those who let themselves be listed: a page at a time, by number. */
  'buddy.online': {
    params: z.strictObject({ after: z.number().int().nonnegative().optional() }),
    result: z.object({
      people: z.array(
        person.extend({ name: z.string(), presence: z.enum(['online', 'away', 'busy']) }),
      ),
      /** The `after` of the next page. */
      next: z.number().int().nullable(),
    }),
  },
  /** An empty name takes them out of their group. */
  'buddy.move': {
    params: z.strictObject({
      buddy: buddyName,
      group: z
        .string()
        .max(64)
        .regex(/^\P{Cc}*$/u),
    }),
    result: done,
  },
  /** For ourselves alone; an empty one takes it away. */
  'buddy.setNote': {
    params: z.strictObject({ buddy: buddyName, note: z.string().max(280) }),
    result: done,
  },
  'buddy.add': {
    params: z.strictObject({ buddy: buddyName, note: z.string().max(280).optional() }),
    result: done,
  },
  'buddy.accept': { params: z.strictObject({ buddy: buddyName }), result: done },
  'buddy.reject': { params: z.strictObject({ buddy: buddyName }), result: done },
  'buddy.remove': { params: z.strictObject({ buddy: buddyName }), result: done },
  /** Also somebody who is not on the list, by number. */
  'buddy.block': { params: z.strictObject({ buddy: buddyName }), result: done },
  'buddy.unblock': { params: z.strictObject({ buddy: buddyName }), result: done },
  'buddy.setPolicy': {
    params: z.strictObject({ buddy: buddyName, path: pathPolicy }),
    result: done,
  },

  /** The account's own identity on this device. */
  'identity.show': { params: nothing, result: person.extend({ identity }) },
  /** What is known of a buddy's: `null` before the first session. */
  'identity.peer': {
    params: z.strictObject({ buddy: buddyName }),
    result: z.object({
      buddy: person,
      identity: identity.nullable(),
      /** The same at both: sixty digits in groups of five. */
      safetyNumber: z.string().nullable(),
      verifiedAt: z.string().nullable(),
      /** Another one that has come in this buddy's name, and waits for `identity.accept`. */
      other: z.object({ identity, safetyNumber: z.string() }).nullable(),
    }),
  },
  /** Says that the buddy has read out this safety number. Blanks and dashes in it do not matter. */
  'identity.verify': {
    params: z.strictObject({ buddy: buddyName, safety_number: z.string().min(1).max(200) }),
    result: done,
  },
  /** Trusts the other identity that has come in this buddy's name: the one of the last `identity.changed`. */
  'identity.accept': { params: z.strictObject({ buddy: buddyName }), result: done },

  /** Resolves as soon as the message is on disk; `wait` holds the answer until that state (or `timeoutMs`). */
  'message.send': {
    params: z.strictObject({
      to: buddyName,
      text: z.string(),
      client_id: z.string().min(1).max(128).optional(),
      reply_to: z.string().optional(),
      wait: z.enum(['queued', 'server', 'delivered', 'read']).optional(),
      timeout_ms: z.number().int().positive().max(86_400_000).optional(),
    }),
    result: z.object({
      id: z.string(),
      state: messageState,
      /** Why it failed. */
      reason: z.string().optional(),
    }),
  },
  'message.get': { params: z.strictObject({ id: z.string() }), result: message },
  /** Newest first. */
  'message.list': {
    params: z.strictObject({
      buddy: buddyName,
      limit: z.number().int().positive().max(1000).optional(),
    }),
    result: z.array(message),
  },
  'outbox.list': { params: nothing, result: z.array(message) },

  'net.status': {
    params: nothing,
    result: z.object({
      udp: z.string().nullable(),
      publicAddresses: z.array(z.string()),
      /** What the gateway says that it forwards to us (PCP, NAT-PMP, UPnP). */
      forwarded: z.string().nullable(),
      /** The STUN service of the account's server, its main endpoint first. */
      stunServers: z.array(z.string()),
      mapping: z.string(),
      /** What our NAT does, where it is known: terms of RFC 4787. */
      nat: natProfile.nullable(),
      families: z.array(z.enum(['ipv4', 'ipv6'])),
      /** Of the host's interfaces. */
      addresses: z.array(z.string()),
      /** Whether STUN is answered over UDP. */
      udpState: z.enum(['unknown', 'works', 'silent']),
      /** It is not, though the session with the same server stands. */
      isUdpBlocked: z.boolean(),
      /** The HTTP proxy that leads to the server, `HOST:PORT`. */
      proxy: z.string().nullable(),
      /** By how much the server's clock is ahead of ours. */
      clockOffsetMs: z.number().nullable(),
      peers: z.array(path),
      dropped: z.record(z.string(), z.number()),
    }),
  },
  'net.path': { params: z.strictObject({ buddy: buddyName }), result: path },
  /** As if the network had changed: everything that depends on it is done anew. */
  'net.rebind': { params: nothing, result: done },
  /** Asks the buddy's daemon for a sign of life by the path that carries the session; with `until: "direct"` keeps on until a direct path carries it. */
  'net.ping': {
    params: z.strictObject({
      buddy: buddyName,
      until: z.enum(['any', 'direct']).optional(),
      timeout_ms: z.number().int().positive().max(600_000).optional(),
    }),
    result: z.object({ rttMs: z.number(), path }),
  },

  /** After the answer, events come as notifications `event`, in order, without a gap. */
  'events.subscribe': {
    params: z.strictObject({
      name: z.string().min(1).max(64).optional(),
      since: since.optional(),
      types: z.array(z.string()).max(64).optional(),
    }),
    result: z.object({ seq: z.number().int() }),
  },
  'events.unsubscribe': { params: nothing, result: done },
  'events.fetch': {
    params: z.strictObject({
      after: z.number().int().nonnegative(),
      limit: z.number().int().positive().max(1000).optional(),
    }),
    result: z.array(event),
  },
  'events.ack': {
    params: z.strictObject({
      name: z.string().min(1).max(64),
      seq: z.number().int().nonnegative(),
    }),
    result: done,
  },
} as const satisfies Record<string, { params: z.ZodType; result: z.ZodType }>

export type Method = keyof typeof methods
export type Params<M extends Method> = z.infer<(typeof methods)[M]['params']>
export type Result<M extends Method> = z.infer<(typeof methods)[M]['result']>

export type ControlEvent = z.infer<typeof event>
export type BuddyView = z.infer<typeof buddy>
export type LoginView = z.infer<typeof login>
export type MessageView = z.infer<typeof message>
export type MessageState = z.infer<typeof messageState>
export type PathView = z.infer<typeof path>
export type PathPolicy = z.infer<typeof pathPolicy>
export type StatusView = z.infer<typeof status>
export type Person = z.infer<typeof person>

/** Events that are on disk before they are announced, and those of which only the latest counts. */
export const eventTypes = {
  durable: [
    'message.received',
    'message.state',
    'message.undecryptable',
    'buddy.request',
    'buddy.changed',
    'buddy.removed',
    'identity.changed',
    'session.state',
    'path.changed',
    'server.notice',
  ],
  ephemeral: ['presence.changed', 'net.changed'],
} as const

export type DurableEventType = (typeof eventTypes.durable)[number]
export type EphemeralEventType = (typeof eventTypes.ephemeral)[number]
