import { utf8 } from '../../../src/core/bytes.ts'
import { formatEndpoint, parseEndpoint } from '../../../src/core/endpoint.ts'
import { hmacSha256 } from '../../../src/crypto/hash.ts'
import { decodeProbe, encodeProbe, newTransaction, probeKey } from '../../../src/traversal/probe.ts'
import { codecCheck, type FuzzTarget } from '../target.ts'

const key = probeKey(new Uint8Array(32).fill(5))
const MAC_BYTES = 16

/** Authentic again: what a peer with the key could send. */
function withMac(bytes: Uint8Array): Uint8Array {
  if (bytes.length < MAC_BYTES) return bytes
  const signed = Uint8Array.from(bytes)
  const mac = hmacSha256(key.secret, signed.subarray(0, -MAC_BYTES))
  signed.set(mac.subarray(0, MAC_BYTES), signed.length - MAC_BYTES)
  return signed
}

export const traversalTargets: readonly FuzzTarget[] = [
  {
    name: 'traversal/probes',
    about: 'punch probes, authentic and not',
    format: 'binary',
    inputs: (random) =>
      (['192.0.2.1', '2001:db8::1'] as const).flatMap((address) =>
        (['request', 'response'] as const).map((kind) =>
          encodeProbe(key, {
            kind,
            from: 'initiator',
            sequence: 7,
            transaction: newTransaction(random),
            sentAtMs: 12_345,
            seen: { family: address.includes(':') ? 6 : 4, address, port: 999 },
          }),
        ),
      ),
    repair: withMac,
    check: codecCheck(
      (bytes) => decodeProbe(key, 'initiator', bytes),
      (probe) => encodeProbe(key, probe),
    ),
  },
  {
    name: 'traversal/endpoints',
    about: 'ADDRESS:PORT as text',
    format: 'text',
    inputs: () =>
      ['192.0.2.1:5000', '[2001:db8::1]:5000', '[::ffff:192.0.2.1]:0', '[fe80::1%eth0]:1'].map(
        utf8,
      ),
    check: codecCheck(
      (bytes) => parseEndpoint(Buffer.from(bytes).toString('utf8')),
      (endpoint) => utf8(formatEndpoint(endpoint)),
    ),
  },
]
