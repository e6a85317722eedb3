'use strict'

// stun uses `ip` for these two alone. node:net judges what an address is; nothing here parses by hand.
const net = require('node:net')

function toBuffer(address) {
  if (net.isIPv4(address)) return Buffer.from(address.split('.').map(Number))
  if (net.isIPv6(address)) return ipv6ToBuffer(address)
  throw new Error(`Not an IP address: "${address}"`)
}

function ipv6ToBuffer(address) {
  // An embedded IPv4 tail ("::ffff:192.0.2.1") becomes two ordinary groups first.
  const tail = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(address)
  const groups = tail
    ? tail[1] +
      toBuffer(tail[2])
        .toString('hex')
        .replace(/^(....)/, '$1:')
    : address
  const [head, rest] = groups.split('::').map((part) => (part === '' ? [] : part.split(':')))
  const missing = rest === undefined ? 0 : 8 - head.length - rest.length
  const words = [...head, ...Array(missing).fill('0'), ...(rest ?? [])]
  return Buffer.from(words.map((word) => word.padStart(4, '0')).join(''), 'hex')
}

function toString(buffer, offset = 0, length = buffer.length - offset) {
  const bytes = buffer.subarray(offset, offset + length)
  if (length === 4) return bytes.join('.')
  const words = []
  for (let at = 0; at < 16; at += 2) words.push(bytes.readUInt16BE(at).toString(16))
  return new URL(`http://[${words.join(':')}]`).hostname.slice(1, -1)
}

module.exports = { toBuffer, toString }
