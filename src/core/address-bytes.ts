import { asBuffer } from './bytes.ts'
import { type Endpoint, endpoint } from './endpoint.ts'

/** The address of an endpoint in network byte order: 4 bytes or 16. */
export function addressBytes({
  family,
  address,
}: Pick<Endpoint, 'family' | 'address'>): Uint8Array {
  return family === 4 ? Uint8Array.from(address.split('.'), Number) : ipv6Bytes(address)
}

/** The endpoint of 4 or 16 address bytes; `undefined` for any other length. */
export function endpointOfBytes(bytes: Uint8Array, port: number): Endpoint | undefined {
  if (bytes.length !== 4 && bytes.length !== 16) return undefined
  const groups = Array.from({ length: bytes.length / 2 }, (_, at) =>
    asBuffer(bytes)
      .readUInt16BE(2 * at)
      .toString(16),
  )
  const made = endpoint(bytes.length === 4 ? bytes.join('.') : groups.join(':'), port)
  return made.ok ? made.value : undefined
}

function ipv6Bytes(address: string): Uint8Array {
  const [head = '', tail] = address.split('::')
  const [front, back] = [groupsOf(head), groupsOf(tail ?? '')]
  const gap = new Array<number>(Math.max(0, 8 - front.length - back.length)).fill(0)
  const bytes = Buffer.alloc(16)
  const groups = [...front, ...gap, ...back].slice(0, 8)
  groups.forEach((group, at) => bytes.writeUInt16BE(group, 2 * at))
  return bytes
}

/** RFC 4291 §2.2 (3): the last 32 bits may be written as IPv4. */
function groupsOf(text: string): number[] {
  if (text === '') return []
  return text.split(':').flatMap((group) => {
    if (!group.includes('.')) return [Number.parseInt(group, 16)]
    const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number)
    return [a * 256 + b, c * 256 + d]
  })
}
