import type { Random } from '../../../src/core/random.ts'
import { decodePeerMessage, encodePeerMessage } from '../../../src/protocol/peer/codec.ts'
import { messageIdOf } from '../../../src/protocol/peer/message-id.ts'
import type { PeerMessage } from '../../../src/protocol/peer/peer-message.ts'
import { codecCheck, type FuzzTarget } from '../target.ts'

function inputs(random: Random): readonly Uint8Array[] {
  const id = messageIdOf(random.bytes(16))
  const text = { kind: 'text', id, sequence: 1, sentAtMs: 1_800_000_000_000, text: '' } as const
  const messages: readonly PeerMessage[] = [
    text,
    { ...text, text: 'hello, 你好 😀', replyTo: messageIdOf(random.bytes(16)) },
    { ...text, sequence: Number.MAX_SAFE_INTEGER, text: 'x'.repeat(300) },
    { kind: 'receipt', state: 'delivered', ids: [id] },
    { kind: 'receipt', state: 'read', ids: Array.from({ length: 20 }, () => id) },
  ]
  return messages.map(encodePeerMessage)
}

export const peerTargets: readonly FuzzTarget[] = [
  {
    name: 'peer/messages',
    about: 'protobuf, end to end between two daemons',
    format: 'binary',
    inputs,
    check: codecCheck(decodePeerMessage, encodePeerMessage),
  },
]
