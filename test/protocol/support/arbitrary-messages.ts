/** fast-check arbitraries of every message, within the bounds that the protocol states. */
import fc, { type Arbitrary } from 'fast-check'
import { type Endpoint, endpoint } from '../../../src/core/endpoint.ts'
import type {
  Candidate,
  ClientMessage,
  DeviceKeys,
  PasswordVerifier,
  RelayGrant,
  RosterEntry,
  ServerMessage,
} from '../../../src/protocol/server/messages.ts'
import {
  natDependences,
  type NatProfile,
  type PortRule,
} from '../../../src/protocol/server/nat-profile.ts'
import { goodbyeReasons, serverErrorCodes } from '../../../src/protocol/server/messages.ts'

export function bytes(length: number): Arbitrary<Uint8Array> {
  return fc.uint8Array({ minLength: length, maxLength: length })
}

/** `fc.record` without the objects of no prototype, which a decoder never makes and `deepEqual` tells apart. */
export function plainRecord<T, K extends keyof T = keyof T>(
  arbitraries: { readonly [P in keyof T]: Arbitrary<T[P]> },
  { requiredKeys }: { readonly requiredKeys?: K[] } = {},
): Arbitrary<Pick<T, K> & Partial<T>> {
  return fc.record(
    arbitraries,
    requiredKeys === undefined
      ? { noNullPrototype: true }
      : { noNullPrototype: true, requiredKeys },
  ) as Arbitrary<Pick<T, K> & Partial<T>>
}

const requestId = fc.integer({ min: 1, max: 2 ** 32 - 1 })
const accountNumber = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER })
const timeMs = fc.integer({ min: 0, max: 8.64e15 })
const retryAfterMs = fc.integer({ min: 0, max: 86_400_000 })

/** Names and words of protocols: well-formed Unicode without control characters, not empty. */
export function word(maxLength: number): Arbitrary<string> {
  return fc
    .string({ unit: 'binary', minLength: 1, maxLength })
    .map((text) => text.replace(/\p{Cc}|[\uFFFE\uFFFF]/gu, '.').slice(0, maxLength))
    .map((text) => text.replace(/\p{Surrogate}/gu, '.'))
}

/** What people write, in characters that XML can carry: line ends, tabs, quotes and markup included. */
export const note = fc
  .oneof(
    fc.string({ unit: 'binary', maxLength: 140 }),
    fc.string({ unit: fc.constantFrom(...Array.from('<>&"\'\t\r\n ]x\u{1F600}')), maxLength: 100 }),
  )
  .map((text) => text.replace(/[^\t\r\n\P{Cc}]|[\uFFFE\uFFFF]|\p{Surrogate}/gu, '.'))

export const endpoints: Arbitrary<Endpoint> = fc
  .tuple(fc.oneof(fc.ipV4(), fc.ipV6()), fc.integer({ min: 1, max: 65535 }))
  .map(([address, port]) => {
    const made = endpoint(address, port)
    if (!made.ok) throw new Error(made.why)
    return made.value
  })

const device: Arbitrary<DeviceKeys> = plainRecord({
  identity: bytes(32),
  static: bytes(32),
  staticSignature: bytes(64),
})

const verifier: Arbitrary<PasswordVerifier> = plainRecord({
  salt: bytes(16),
  hashing: plainRecord({
    memoryKiB: fc.integer({ min: 1, max: 2 ** 22 }),
    passes: fc.integer({ min: 1, max: 1024 }),
    lanes: fc.integer({ min: 1, max: 255 }),
  }),
  storedKey: bytes(32),
  serverKey: bytes(32),
})

const candidates: Arbitrary<readonly Candidate[]> = fc.array(
  plainRecord({
    kind: fc.constantFrom('host', 'server-reflexive', 'mapped'),
    endpoint: endpoints,
  }),
  { maxLength: 10 },
)

const portRule: Arbitrary<PortRule> = fc.oneof(
  plainRecord({ kind: fc.constantFrom('preserve', 'unknown') }),
  plainRecord({
    kind: fc.constant('sequential'),
    step: fc.integer({ min: -256, max: 256 }).filter((step) => step !== 0),
  }),
  fc
    .tuple(
      fc.constantFrom('random', 'parity', 'block'),
      fc.integer({ min: 1, max: 65_535 }),
      fc.integer({ min: 1, max: 65_535 }),
    )
    .map(([kind, a, b]) => ({ kind, low: Math.min(a, b), high: Math.max(a, b) })),
)

const nat: Arbitrary<NatProfile> = plainRecord(
  {
    mapping: fc.constantFrom('none', ...natDependences, 'unknown'),
    filtering: fc.constantFrom(...natDependences, 'unknown'),
    ports: portRule,
    isPooled: fc.boolean(),
    lifetimeMs: fc.integer({ min: 1, max: 86_400_000 }),
    depth: fc.integer({ min: 0, max: 16 }),
  },
  { requiredKeys: ['mapping', 'filtering', 'ports', 'isPooled'] },
)

const relay: Arbitrary<RelayGrant> = plainRecord({ endpoint: endpoints, ticket: bytes(169) })

const rosterVersion = word(64)

const buddyFacts = { group: word(64), remark: note, isConcealed: fc.constant(true as const) }

const buddy: Arbitrary<RosterEntry> = plainRecord(
  {
    number: accountNumber,
    handle: word(64),
    state: fc.constantFrom('accepted', 'pending-out', 'pending-in', 'blocked'),
    device,
    ...buddyFacts,
  },
  { requiredKeys: ['number', 'handle', 'state'] },
)

const presenceEntry = plainRecord({
  number: accountNumber,
  state: fc.constantFrom('online', 'away', 'busy', 'invisible', 'offline'),
  text: note,
})

const prekeyFields = { number: requestId, key: bytes(32) }
const prekey = plainRecord(prekeyFields)
const signedPrekey = plainRecord({ ...prekeyFields, signature: bytes(64) })

const sealedBody = fc.uint8Array({ minLength: 1, maxLength: 2_000 })

const port = fc.integer({ min: 0, max: 65535 })

const whereabouts = {
  localAddresses: fc.array(
    endpoints.map(({ address }) => address),
    { maxLength: 16 },
  ),
  publicEndpoints: fc.array(endpoints, { maxLength: 4 }),
  udpPort: port,
  tcpPort: port,
  nat,
}

const sessionStart = {
  number: accountNumber,
  handle: word(64),
  timeMs,
  heartbeatMs: fc.integer({ min: 1000, max: 600_000 }),
  epoch: accountNumber,
  stun: fc.array(endpoints, { maxLength: 4 }),
  seenFrom: endpoints,
  pass: plainRecord({ ticket: bytes(65), key: bytes(32) }),
  limits: plainRecord({
    frameBytes: requestId,
    sealedBytes: requestId,
    messages: requestId,
    messageEveryMs: requestId,
    buddies: requestId,
    windowMessages: requestId,
  }),
  relays: plainRecord({
    own: bytes(8),
    offers: fc.array(
      plainRecord({
        id: bytes(8),
        endpoint: endpoints,
        host: word(253),
        tlsPort: fc.integer({ min: 1, max: 65535 }),
        pin: bytes(32),
      }),
      { maxLength: 8 },
    ),
  }),
}
const startKeys = ['number', 'handle', 'timeMs', 'heartbeatMs', 'stun', 'seenFrom'] as const

export const clientMessages: Arbitrary<ClientMessage> = fc.oneof(
  plainRecord({
    kind: fc.constant('hello'),
    version: fc.integer({ min: 1, max: 65535 }),
    client: word(128),
    scram: word(1024),
    device,
  }),
  plainRecord(
    {
      kind: fc.constant('response'),
      scram: word(1024),
      deviceSignature: bytes(64),
      roster: rosterVersion,
    },
    { requiredKeys: ['kind', 'scram', 'deviceSignature'] },
  ),
  plainRecord(
    {
      kind: fc.constant('resume'),
      version: fc.integer({ min: 1, max: 65535 }),
      client: word(128),
      ticket: bytes(65),
      deviceSignature: bytes(64),
      roster: rosterVersion,
      presence: bytes(16),
    },
    { requiredKeys: ['kind', 'version', 'client', 'ticket', 'deviceSignature', 'presence'] },
  ),
  plainRecord(
    { kind: fc.constant('register'), handle: word(64), verifier, invite: word(128) },
    { requiredKeys: ['kind', 'handle', 'verifier'] },
  ),
  plainRecord({
    kind: fc.constant('replace-password'),
    user: word(64),
    code: word(128),
    verifier,
  }),
  plainRecord(
    {
      kind: fc.constant('report'),
      id: requestId,
      ...whereabouts,
    },
    {
      requiredKeys: ['kind', 'id', 'localAddresses', 'publicEndpoints', 'udpPort', 'tcpPort'],
    },
  ),
  plainRecord({ kind: fc.constant('ping'), id: requestId }),
  plainRecord({ kind: fc.constant('pong'), id: requestId, timeMs }),
  plainRecord({ kind: fc.constant('search'), id: requestId, name: word(64) }),
  plainRecord({ kind: fc.constant('buddy-request'), id: requestId, to: word(64), note }),
  plainRecord({
    kind: fc.constantFrom(
      'buddy-accept',
      'buddy-reject',
      'buddy-remove',
      'buddy-block',
      'buddy-unblock',
    ),
    id: requestId,
    number: accountNumber,
  }),
  plainRecord({
    kind: fc.constant('buddy-move'),
    id: requestId,
    number: accountNumber,
    group: fc.oneof(word(64), fc.constant('')),
  }),
  plainRecord({ kind: fc.constant('buddy-note'), id: requestId, number: accountNumber, note }),
  plainRecord({
    kind: fc.constant('buddy-conceal'),
    id: requestId,
    number: accountNumber,
    isConcealed: fc.boolean(),
  }),
  plainRecord({
    kind: fc.constant('who'),
    id: requestId,
    after: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
  }),
  plainRecord({ kind: fc.constant('locate'), id: requestId, of: accountNumber }),
  plainRecord({ kind: fc.constant('get-profile'), id: requestId, of: accountNumber }),
  plainRecord({
    kind: fc.constant('set-profile'),
    id: requestId,
    name: word(64),
    text: note,
    isListed: fc.boolean(),
  }),
  plainRecord({
    kind: fc.constant('set-presence'),
    id: requestId,
    state: fc.constantFrom('online', 'away', 'busy', 'invisible'),
    text: note,
  }),
  plainRecord(
    {
      kind: fc.constant('introduce'),
      id: requestId,
      to: accountNumber,
      session: bytes(16),
      isAnswer: fc.boolean(),
      probeKey: bytes(32),
      candidates,
      nat,
      relay: bytes(8),
    },
    { requiredKeys: ['kind', 'id', 'to', 'session', 'isAnswer', 'probeKey', 'candidates'] },
  ),
  plainRecord({
    kind: fc.constant('send'),
    id: requestId,
    to: accountNumber,
    messageId: bytes(16),
    body: sealedBody,
  }),
  plainRecord({ kind: fc.constant('ack'), seqs: fc.array(accountNumber, { maxLength: 60 }) }),
  plainRecord({
    kind: fc.constant('withdraw'),
    id: requestId,
    to: accountNumber,
    messageIds: fc.array(bytes(16), { maxLength: 60 }),
  }),
  plainRecord({
    kind: fc.constant('publish-keys'),
    id: requestId,
    signed: signedPrekey,
    oneTime: fc.array(prekey, { maxLength: 50 }),
  }),
  plainRecord({
    kind: fc.constant('take-keys'),
    id: requestId,
    of: accountNumber,
    count: fc.integer({ min: 1, max: 8 }),
  }),
  plainRecord({
    kind: fc.constant('key-log'),
    id: requestId,
    of: accountNumber,
    after: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  }),
  plainRecord({ kind: fc.constant('suspend'), id: requestId }),
  plainRecord({ kind: fc.constant('logout'), id: requestId }),
)

export const serverMessages: Arbitrary<ServerMessage> = fc.oneof(
  plainRecord({ kind: fc.constant('challenge'), scram: word(1024) }),
  plainRecord(
    { kind: fc.constant('welcome'), scram: word(1024), ...sessionStart },
    { requiredKeys: ['kind', 'scram', ...startKeys] },
  ),
  plainRecord(
    { kind: fc.constant('resumed'), proof: bytes(32), ...sessionStart },
    { requiredKeys: ['kind', 'proof', ...startKeys] },
  ),
  plainRecord({ kind: fc.constant('registered'), number: accountNumber, handle: word(64) }),
  plainRecord(
    {
      kind: fc.constant('roster'),
      page: fc.integer({ min: 0, max: 65535 }),
      isLast: fc.boolean(),
      buddies: fc.array(buddy, { maxLength: 24 }),
      version: rosterVersion,
    },
    { requiredKeys: ['kind', 'page', 'isLast', 'buddies'] },
  ),
  plainRecord(
    { kind: fc.constant('buddy-changed'), buddy, note, version: rosterVersion },
    { requiredKeys: ['kind', 'buddy', 'note'] },
  ),
  plainRecord(
    { kind: fc.constant('buddy-removed'), number: accountNumber, version: rosterVersion },
    { requiredKeys: ['kind', 'number'] },
  ),
  plainRecord({
    kind: fc.constant('presence'),
    isSnapshot: fc.boolean(),
    entries: fc.array(presenceEntry, { maxLength: 32 }),
  }),
  plainRecord(
    {
      kind: fc.constant('introduced'),
      from: accountNumber,
      session: bytes(16),
      isAnswer: fc.boolean(),
      probeKey: bytes(32),
      candidates,
      nat,
      device,
      startInMs: fc.integer({ min: 0, max: 60_000 }),
      relay,
    },
    {
      requiredKeys: [
        'kind',
        'from',
        'session',
        'isAnswer',
        'probeKey',
        'candidates',
        'device',
        'startInMs',
      ],
    },
  ),
  plainRecord({
    kind: fc.constant('deliver'),
    seq: accountNumber,
    from: accountNumber,
    messageId: bytes(16),
    body: sealedBody,
  }),
  plainRecord({
    kind: fc.constant('accepted'),
    id: requestId,
    at: fc.constantFrom('mailbox', 'recipient'),
  }),
  plainRecord({
    kind: fc.constant('keys'),
    id: requestId,
    device,
    signed: signedPrekey,
    oneTime: fc.array(prekey, { maxLength: 8 }),
  }),
  plainRecord(
    {
      kind: fc.constant('keys-left'),
      oneTime: fc.integer({ min: 0, max: 65535 }),
      signed: requestId,
    },
    { requiredKeys: ['kind', 'oneTime'] },
  ),
  plainRecord({
    kind: fc.constant('found'),
    id: requestId,
    number: accountNumber,
    handle: word(64),
  }),
  plainRecord({
    kind: fc.constant('online'),
    id: requestId,
    isLast: fc.boolean(),
    people: fc.array(
      plainRecord({
        number: accountNumber,
        handle: word(64),
        name: word(64),
        state: fc.constantFrom('online', 'away', 'busy'),
      }),
      { maxLength: 32 },
    ),
  }),
  plainRecord(
    {
      kind: fc.constant('located'),
      id: requestId,
      number: accountNumber,
      client: word(128),
      sinceMs: timeMs,
      seenFrom: endpoints,
      ...whereabouts,
    },
    {
      requiredKeys: [
        'kind',
        'id',
        'number',
        'client',
        'sinceMs',
        'seenFrom',
        'localAddresses',
        'publicEndpoints',
        'udpPort',
        'tcpPort',
      ],
    },
  ),
  plainRecord(
    {
      kind: fc.constant('profile'),
      id: requestId,
      number: accountNumber,
      name: word(64),
      text: note,
      isListed: fc.boolean(),
    },
    { requiredKeys: ['kind', 'id', 'number', 'name', 'text'] },
  ),
  plainRecord({
    kind: fc.constant('logged-keys'),
    id: requestId,
    isLast: fc.boolean(),
    entries: fc.array(plainRecord({ index: requestId, device, chain: bytes(32) }), {
      maxLength: 64,
    }),
  }),
  plainRecord({ kind: fc.constant('ping'), id: requestId }),
  plainRecord({ kind: fc.constant('pong'), id: requestId, timeMs }),
  plainRecord({ kind: fc.constant('ok'), id: requestId }),
  plainRecord(
    {
      kind: fc.constant('error'),
      id: requestId,
      code: fc.constantFrom(...serverErrorCodes),
      text: note,
      retryAfterMs,
    },
    { requiredKeys: ['kind', 'code', 'text'] },
  ),
  plainRecord(
    {
      kind: fc.constant('goodbye'),
      reason: fc.constantFrom(...goodbyeReasons),
      retryAfterMs,
      spreadMs: retryAfterMs,
    },
    { requiredKeys: ['kind', 'reason', 'retryAfterMs'] },
  ),
)
