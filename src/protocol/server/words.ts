/** Words that the sentences of the session share. */

/** Chosen by the client, answered by `ok` or `error` with the same number; rises within a session. */
export type RequestId = number

/** Numbers are handed out by the server from 10001 on and never reused. */
export type AccountNumber = number

export type PresenceState = 'online' | 'away' | 'busy' | 'invisible' | 'offline'
