/**
 * What was sent in a world as a capture file, for tcpdump and Wireshark: `npm run replay -- 7 --pcap /tmp/seven.pcap --grep TITLE`.
 * The classic format of libpcap, link type 101 (raw IP). IPv4 only; its UDP checksum is 0, "not computed" (RFC 768).
 */
import { writeFileSync } from 'node:fs'
import { addressBytes } from '../../src/core/address-bytes.ts'
import type { Packet } from './packet.ts'

const MAGIC = 0xa1b2c3d4 // microseconds
const LINK_TYPE_RAW = 101
const SNAPLEN = 65_535
const IP_BYTES = 20
const UDP_BYTES = 8
const PROTOCOL_UDP = 17

export class Pcap {
  readonly #records: Buffer[] = [] // of one world that somebody looks at

  add(atMs: number, packet: Packet): void {
    if (packet.from.family !== 4 || packet.from.address === 'nowhere') return
    const datagram = ipv4(packet)
    const head = Buffer.alloc(16)
    head.writeUInt32LE(Math.floor(atMs / 1000), 0)
    head.writeUInt32LE(Math.round((atMs % 1000) * 1000), 4)
    head.writeUInt32LE(datagram.length, 8)
    head.writeUInt32LE(datagram.length, 12)
    this.#records.push(head, datagram)
  }

  bytes(): Buffer {
    const head = Buffer.alloc(24)
    head.writeUInt32LE(MAGIC, 0)
    head.writeUInt16LE(2, 4)
    head.writeUInt16LE(4, 6)
    head.writeUInt32LE(SNAPLEN, 16)
    head.writeUInt32LE(LINK_TYPE_RAW, 20)
    return Buffer.concat([head, ...this.#records])
  }

  write(path: string): void {
    writeFileSync(path, this.bytes())
  }
}

function ipv4({ from, to, bytes, ttl }: Packet): Buffer {
  const packet = Buffer.alloc(IP_BYTES + UDP_BYTES + bytes.length)
  packet[0] = 0x45
  packet.writeUInt16BE(packet.length, 2)
  packet[8] = ttl
  packet[9] = PROTOCOL_UDP
  packet.set(addressBytes(from), 12)
  packet.set(addressBytes(to), 16)
  packet.writeUInt16BE(headerChecksum(packet), 10)
  packet.writeUInt16BE(from.port, IP_BYTES)
  packet.writeUInt16BE(to.port, IP_BYTES + 2)
  packet.writeUInt16BE(UDP_BYTES + bytes.length, IP_BYTES + 4)
  packet.set(bytes, IP_BYTES + UDP_BYTES)
  return packet
}

/** RFC 791 §3.1. */
function headerChecksum(packet: Buffer): number {
  let sum = 0
  for (let at = 0; at < IP_BYTES; at += 2) sum += packet.readUInt16BE(at)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return ~sum & 0xffff
}
