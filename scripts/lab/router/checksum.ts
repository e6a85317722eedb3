/** The one's complement sum that IPv4, UDP, TCP and ICMP put into their headers (RFC 1071). */
export function internetChecksum(bytes: Uint8Array, initial = 0): number {
  let sum = initial
  for (let at = 0; at < bytes.length; at += 2) {
    sum += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000)
  return ~sum & 0xffff
}

/** What UDP and TCP sum up of the IPv4 header (RFC 768, RFC 9293 §3.1): to be the `initial` sum of the segment. */
export function pseudoHeaderSum(
  source: string,
  destination: string,
  protocol: number,
  length: number,
): number {
  return wordsOf(source) + wordsOf(destination) + protocol + length
}

function wordsOf(address: string): number {
  const [a = 0, b = 0, c = 0, d = 0] = address.split('.').map(Number)
  return a * 256 + b + c * 256 + d
}
