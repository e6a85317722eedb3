/**
 * Each message's parts: which attribute or child element holds which field, and within which bounds.
 * `encode.ts` and `decode.ts` are driven by these tables alone.
 */
import { natPart } from './nat-part.ts'
import {
  attribute,
  child,
  endpointPart,
  list,
  optional,
  type Part,
  type PartsOf,
  record,
} from './parts.ts'
import {
  type BuddyAnswer,
  type Candidate,
  type ClientMessage,
  type DeviceKeys,
  goodbyeReasons,
  type KeyLogEntry,
  MAX_CANDIDATES,
  MAX_GROUP_CHARS,
  MAX_KEY_LOG_PAGE,
  MAX_LOCAL_ADDRESSES,
  MAX_MAIL_PAGE,
  MAX_NAME_CHARS,
  MAX_PREKEY_PAGE,
  MAX_RELAYS,
  MAX_PRESENCE_PAGE,
  MAX_PUBLIC_ENDPOINTS,
  MAX_ROSTER_PAGE,
  MAX_SEALED_BYTES,
  MAX_TAKEN_PREKEYS,
  MAX_TEXT_CHARS,
  MAX_TICKET_BYTES,
  MAX_VERSION_CHARS,
  type PasswordHashing,
  type PasswordVerifier,
  type Ping,
  type Pong,
  type Prekey,
  type PresenceEntry,
  type RelayGrant,
  type RelayOffer,
  type Relays,
  type ResumePass,
  type RosterEntry,
  serverErrorCodes,
  type ServerMessage,
  type SessionLimits,
  type SessionStart,
  type SignedPrekey,
} from './messages.ts'
import { MAX_ONLINE_PAGE, type OnlineEntry } from './people-messages.ts'
import {
  binary,
  clippedText,
  flag,
  freeText,
  integer,
  ipAddress,
  oneOf,
  token,
  yes,
} from './scalars.ts'

type Kind = ClientMessage['kind'] | ServerMessage['kind']
type MessageOf<M, K> = M extends { readonly kind: infer Kinds }
  ? K extends Kinds
    ? M
    : never
  : never
type Table<M extends { readonly kind: Kind }> = {
  readonly [K in M['kind']]: Part<Omit<MessageOf<M, K>, 'kind'>>
}

// The largest moment that a JavaScript date can be.
const MAX_TIME_MS = 8.64e15
// crypto/scram.ts refuses longer messages too.
const MAX_SCRAM_CHARS = 1024

const id = attribute('id', integer(1, 2 ** 32 - 1))
const number = attribute('number', integer(1, Number.MAX_SAFE_INTEGER))
const handle = attribute('handle', token(MAX_NAME_CHARS))
const scram = attribute('scram', token(MAX_SCRAM_CHARS))
const note = attribute('note', freeText(MAX_TEXT_CHARS))
const text = attribute('text', freeText(MAX_TEXT_CHARS))
const session = attribute('session', binary(16))
const isAnswer = attribute('answer', flag)
const probeKey = attribute('probe-key', binary(32))
const name = attribute('name', freeText(MAX_NAME_CHARS))
const client = attribute('client', token(128))
const version = attribute('version', integer(1, 65535))
const rosterVersion = token(MAX_VERSION_CHARS)
const deviceSignature = attribute('device-signature', binary(64))
const localAddresses = list('local-address', MAX_LOCAL_ADDRESSES, attribute('ip', ipAddress))
const publicEndpoints = list('public', MAX_PUBLIC_ENDPOINTS, endpointPart)
const udpPort = attribute('udp-port', integer(0, 65535))
const tcpPort = attribute('tcp-port', integer(0, 65535))
const seenFrom = child('seen-from', endpointPart)
const group = attribute('group', token(MAX_GROUP_CHARS))
const relayId = binary(8)
const timeMs = attribute('time-ms', integer(0, MAX_TIME_MS))
const messageId = attribute('message', binary(16))
const mailSeq = attribute('seq', integer(1, Number.MAX_SAFE_INTEGER))
const body = attribute('body', binary(1, MAX_SEALED_BYTES))
const to = attribute('to', integer(1, Number.MAX_SAFE_INTEGER))
const MAX_WAIT_MS = 24 * 60 * 60 * 1000
const retryAfterMs = attribute('retry-after-ms', integer(0, MAX_WAIT_MS))

// Wide enough for every sensible choice; whether one is acceptable is decided by crypto/password-hashing.ts.
const hashing = record<PasswordHashing>({
  memoryKiB: attribute('memory-kib', integer(1, 2 ** 22)),
  passes: attribute('passes', integer(1, 1024)),
  lanes: attribute('lanes', integer(1, 255)),
})

const verifier = record<PasswordVerifier>({
  salt: attribute('salt', binary(16)),
  hashing,
  storedKey: attribute('stored-key', binary(32)),
  serverKey: attribute('server-key', binary(32)),
})

const device = child(
  'device',
  record<DeviceKeys>({
    identity: attribute('identity', binary(32)),
    static: attribute('static', binary(32)),
    staticSignature: attribute('static-signature', binary(64)),
  }),
)

const prekeyNumber = integer(1, 2 ** 32 - 1)
const prekey = {
  number: attribute('number', prekeyNumber),
  key: attribute('key', binary(32)),
}
const signed = child(
  'signed',
  record<SignedPrekey>({ ...prekey, signature: attribute('signature', binary(64)) }),
)
const oneTimePrekey = record<Prekey>(prekey)
const of = attribute('of', integer(1, Number.MAX_SAFE_INTEGER))
const logIndex = integer(0, 2 ** 32 - 1)

const candidates = list(
  'candidate',
  MAX_CANDIDATES,
  record<Candidate>({
    kind: attribute('kind', oneOf('host', 'server-reflexive', 'mapped')),
    endpoint: endpointPart,
  }),
)

const relay = child(
  'relay',
  record<RelayGrant>({ endpoint: endpointPart, ticket: attribute('ticket', binary(1, 256)) }),
)

const buddy = record<RosterEntry>({
  number,
  handle,
  state: attribute('state', oneOf('accepted', 'pending-out', 'pending-in', 'blocked')),
  device: optional(device),
  group: optional(group),
  remark: optional(attribute('remark', freeText(MAX_TEXT_CHARS))),
  isConcealed: optional(attribute('concealed', yes)),
})

const presenceEntry = record<PresenceEntry>({
  number,
  state: attribute('state', oneOf('online', 'away', 'busy', 'invisible', 'offline')),
  text,
})

const ping = record<Omit<Ping, 'kind'>>({ id })
const pong = record<Omit<Pong, 'kind'>>({ id, timeMs })
const most = integer(1, 2 ** 32 - 1)
const limits = record<SessionLimits>({
  frameBytes: attribute('frame-bytes', most),
  sealedBytes: attribute('sealed-bytes', most),
  messages: attribute('messages', most),
  messageEveryMs: attribute('message-every-ms', most),
  buddies: attribute('buddies', most),
  windowMessages: attribute('window-messages', most),
})

const relays = child(
  'relays',
  record<Relays>({
    own: attribute('own', relayId),
    offers: list(
      'relay',
      MAX_RELAYS,
      record<RelayOffer>({
        id: attribute('id', relayId),
        endpoint: endpointPart,
        host: attribute('host', token(253)),
        tlsPort: attribute('tls-port', integer(1, 65535)),
        pin: attribute('pin', binary(32)),
      }),
    ),
  }),
)

const sessionStart: PartsOf<SessionStart> = {
  number,
  handle,
  timeMs,
  heartbeatMs: attribute('heartbeat-ms', integer(1000, 10 * 60 * 1000)),
  epoch: optional(attribute('epoch', integer(1, Number.MAX_SAFE_INTEGER))),
  stun: list('stun', 4, endpointPart),
  seenFrom,
  relays: optional(relays),
  pass: optional(
    child(
      'resume',
      record<ResumePass>({
        ticket: attribute('ticket', binary(1, MAX_TICKET_BYTES)),
        key: attribute('key', binary(32)),
      }),
    ),
  ),
  limits: optional(child('limits', limits)),
}

const person = record<OnlineEntry>({
  number,
  handle,
  name,
  state: attribute('state', oneOf('online', 'away', 'busy')),
})

const buddyAnswer = record<Omit<BuddyAnswer, 'kind'>>({ id, number })

export const clientMessages: Table<ClientMessage> = {
  hello: record({ version, client, scram, device }),
  response: record({
    scram,
    deviceSignature,
    roster: optional(attribute('roster', rosterVersion)),
  }),
  resume: record({
    version,
    client,
    ticket: attribute('ticket', binary(1, MAX_TICKET_BYTES)),
    deviceSignature,
    roster: optional(attribute('roster', rosterVersion)),
    presence: attribute('presence', binary(16)),
  }),
  register: record({
    handle,
    verifier: child('verifier', verifier),
    invite: optional(attribute('invite', token(128))),
  }),
  'replace-password': record({
    user: attribute('user', token(MAX_NAME_CHARS)),
    code: attribute('code', token(128)),
    verifier: child('verifier', verifier),
  }),
  report: record({
    id,
    localAddresses,
    publicEndpoints,
    udpPort,
    tcpPort,
    nat: optional(natPart),
  }),
  ping,
  pong,
  search: record({ id, name: attribute('name', token(MAX_NAME_CHARS)) }),
  'buddy-request': record({ id, to: attribute('to', token(MAX_NAME_CHARS)), note }),
  'buddy-accept': buddyAnswer,
  'buddy-reject': buddyAnswer,
  'buddy-remove': buddyAnswer,
  'buddy-block': buddyAnswer,
  'buddy-unblock': buddyAnswer,
  'buddy-move': record({ id, number, group: attribute('group', token(MAX_GROUP_CHARS, 0)) }),
  'buddy-note': record({ id, number, note }),
  'buddy-conceal': record({ id, number, isConcealed: attribute('concealed', flag) }),
  'set-presence': record({
    id,
    state: attribute('state', oneOf('online', 'away', 'busy', 'invisible')),
    text,
  }),
  who: record({ id, after: attribute('after', integer(0, Number.MAX_SAFE_INTEGER)) }),
  locate: record({ id, of }),
  'get-profile': record({ id, of }),
  'set-profile': record({ id, name, text, isListed: attribute('listed', flag) }),
  introduce: record({
    id,
    to,
    session,
    isAnswer,
    probeKey,
    candidates,
    nat: optional(natPart),
    relay: optional(attribute('relay', relayId)),
  }),
  send: record({ id, to, messageId, body }),
  ack: record({ seqs: list('mail', MAX_MAIL_PAGE, mailSeq) }),
  withdraw: record({ id, to, messageIds: list('mail', MAX_MAIL_PAGE, messageId) }),
  'publish-keys': record({ id, signed, oneTime: list('one-time', MAX_PREKEY_PAGE, oneTimePrekey) }),
  'take-keys': record({ id, of, count: attribute('count', integer(1, MAX_TAKEN_PREKEYS)) }),
  'key-log': record({ id, of, after: attribute('after', logIndex) }),
  suspend: record({ id }),
  logout: record({ id }),
}

export const serverMessages: Table<ServerMessage> = {
  challenge: record({ scram }),
  welcome: record({ scram, ...sessionStart }),
  resumed: record({ proof: attribute('proof', binary(32)), ...sessionStart }),
  registered: record({ number, handle }),
  roster: record({
    page: attribute('page', integer(0, 65535)),
    isLast: attribute('last', flag),
    buddies: list('buddy', MAX_ROSTER_PAGE, buddy),
    version: optional(attribute('version', rosterVersion)),
  }),
  'buddy-changed': record({
    buddy: child('buddy', buddy),
    note,
    version: optional(attribute('version', rosterVersion)),
  }),
  'buddy-removed': record({ number, version: optional(attribute('version', rosterVersion)) }),
  presence: record({
    isSnapshot: attribute('snapshot', flag),
    hasMore: optional(attribute('more', yes)),
    entries: list('buddy', MAX_PRESENCE_PAGE, presenceEntry),
  }),
  introduced: record({
    from: attribute('from', integer(1, Number.MAX_SAFE_INTEGER)),
    session,
    isAnswer,
    probeKey,
    candidates,
    nat: optional(natPart),
    device,
    startInMs: attribute('start-in-ms', integer(0, 60_000)),
    relay: optional(relay),
  }),
  deliver: record({
    seq: mailSeq,
    from: attribute('from', integer(1, Number.MAX_SAFE_INTEGER)),
    messageId,
    body,
  }),
  accepted: record({ id, at: attribute('at', oneOf('mailbox', 'recipient')) }),
  keys: record({
    id,
    device,
    signed,
    oneTime: list('one-time', MAX_TAKEN_PREKEYS, oneTimePrekey),
  }),
  'keys-left': record({
    oneTime: attribute('one-time', integer(0, 65535)),
    signed: optional(attribute('signed', prekeyNumber)),
  }),
  found: record({ id, number, handle }),
  online: record({
    id,
    isLast: attribute('last', flag),
    people: list('person', MAX_ONLINE_PAGE, person),
  }),
  located: record({
    id,
    number,
    client,
    sinceMs: attribute('since-ms', integer(0, MAX_TIME_MS)),
    seenFrom,
    localAddresses,
    publicEndpoints,
    udpPort,
    tcpPort,
    nat: optional(natPart),
  }),
  profile: record({
    id,
    number,
    name,
    text,
    isListed: optional(attribute('listed', flag)),
  }),
  'logged-keys': record({
    id,
    isLast: attribute('last', flag),
    entries: list(
      'entry',
      MAX_KEY_LOG_PAGE,
      record<KeyLogEntry>({
        index: attribute('index', logIndex),
        device,
        chain: attribute('chain', binary(32)),
      }),
    ),
  }),
  ping,
  pong,
  ok: record({ id }),
  error: record({
    id: optional(id),
    code: attribute('code', oneOf(...serverErrorCodes)),
    text: attribute('text', clippedText(MAX_TEXT_CHARS)), // an error must never fail to be told
    retryAfterMs: optional(retryAfterMs),
  }),
  goodbye: record({
    reason: attribute('reason', oneOf(...goodbyeReasons)),
    retryAfterMs,
    spreadMs: optional(attribute('spread-ms', integer(0, MAX_WAIT_MS))),
  }),
}
