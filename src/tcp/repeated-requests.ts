/**
 * Which requests are asked again when the session that they were asked in has ended without an answer: the server may have
 * carried them out, or never have got them.
 */
import type { ServerErrorCode } from '../protocol/server/messages.ts'
import type { ServerRequest } from './server-link-event.ts'

type Repetition =
  /** Asks for something, or wants a state: twice is as good as once. */
  | { readonly kind: 'harmless' }
  /** The same, but who asks twice is told that there is nothing to do any more. */
  | { readonly kind: 'refused'; readonly code: ServerErrorCode }
  /** Belongs to one session, or whoever asks keeps account of it and begins anew with each session. */
  | { readonly kind: 'none' }

const HARMLESS: Repetition = { kind: 'harmless' }
const NONE: Repetition = { kind: 'none' }

const REPETITIONS: Readonly<Record<ServerRequest['kind'], Repetition>> = {
  search: HARMLESS,
  who: HARMLESS,
  locate: HARMLESS,
  'get-profile': HARMLESS,
  'key-log': HARMLESS,
  'set-profile': HARMLESS,
  'buddy-accept': HARMLESS,
  'buddy-block': HARMLESS,
  'buddy-move': HARMLESS,
  'buddy-note': HARMLESS,
  'buddy-conceal': HARMLESS,
  'buddy-request': { kind: 'refused', code: 'already-buddies' }, // they had asked, so asking was agreeing
  'buddy-reject': { kind: 'refused', code: 'not-found' },
  'buddy-remove': { kind: 'refused', code: 'not-buddies' },
  'buddy-unblock': { kind: 'refused', code: 'not-found' },
  report: NONE,
  'set-presence': NONE,
  introduce: NONE,
  withdraw: NONE,
  'publish-keys': NONE,
  'take-keys': NONE,
  send: NONE,
}

export function mayBeRepeated(kind: ServerRequest['kind']): boolean {
  return REPETITIONS[kind].kind !== 'none'
}

/** Whether this refusal of a request that was asked before says that it was carried out then. */
export function isDoneAlready(kind: ServerRequest['kind'], code: ServerErrorCode): boolean {
  const repetition = REPETITIONS[kind]
  return repetition.kind === 'refused' && repetition.code === code
}
