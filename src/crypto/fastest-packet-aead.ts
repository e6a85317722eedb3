import { type PacketAead, portablePacketAead } from './packet-aead.ts'
import { loadSodiumAead } from './sodium-aead.ts'

let fastest: PacketAead | undefined

/** The cheapest there is in this process. */
export function fastestPacketAead(): PacketAead {
  fastest ??= loadSodiumAead() ?? portablePacketAead
  return fastest
}
