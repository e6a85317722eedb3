import type { Random } from '../../../src/core/random.ts'
import {
  channelOf,
  decodeRelayFrame,
  encodeRelayFrame,
  refusalReasons,
  type RelayFrame,
} from '../../../src/protocol/relay/frames.ts'
import { decodeTicket, encodeTicket, encodeTicketBody } from '../../../src/protocol/relay/ticket.ts'
import { codecCheck, type FuzzTarget } from '../target.ts'

function ticket(random: Random): Uint8Array {
  const body = encodeTicketBody({
    relayId: random.bytes(8),
    session: random.bytes(16),
    identityA: random.bytes(32),
    identityB: random.bytes(32),
    expiresAtMs: 1_800_000_000_000,
    quotaBytes: 2 ** 30,
  })
  return encodeTicket(body, random.bytes(64))
}

function frames(random: Random): readonly RelayFrame[] {
  const [nonce, channel] = [random.bytes(8), channelOf(random.bytes(8))]
  const cookie = random.bytes(16)
  return [
    { kind: 'bind', nonce, cookie, ticket: ticket(random), signature: random.bytes(64) },
    { kind: 'cookie', nonce, cookie },
    { kind: 'bound', nonce, channel, lifetimeSeconds: 600 },
    ...refusalReasons.map((reason) => ({ kind: 'refused', nonce, reason }) as const),
    { kind: 'ping', channel, nonce },
    { kind: 'pong', channel, nonce },
    { kind: 'unknown-channel', channel },
    { kind: 'data', channel, payload: random.bytes(100) },
  ]
}

export const relayTargets: readonly FuzzTarget[] = [
  {
    name: 'relay/frames',
    about: 'between a daemon and a relay',
    format: 'binary',
    inputs: (random) => frames(random).map(encodeRelayFrame),
    check: codecCheck(decodeRelayFrame, encodeRelayFrame),
  },
  {
    name: 'relay/tickets',
    about: 'the server’s permission to use a relay',
    format: 'binary',
    inputs: (random) => [ticket(random), ticket(random)],
    check: codecCheck(decodeTicket, (signed) =>
      encodeTicket(encodeTicketBody(signed.ticket), signed.signature),
    ),
  },
]
