/** What a Linux kernel sent into a TUN device: its checksums are none of ours. */
export const captured = {
  /** 10.0.0.1:40000 to 10.0.0.2:5353, TTL 64, identification 0x1e58: `hello`. */
  udp: hex('450000211e584000401108720a0000010a0000029c4014e9000df6d568656c6c6f'),
  /** 10.0.0.1:40001 to 10.0.0.2:80, SYN with options. */
  tcp: hex(
    '4500003cd2974000400654220a0000010a0000029c410050492c094800000000a002faf0a4c00000' +
      '020405b40402080a984a0cf9000000000103030a',
  ),
  /** From 10.0.0.1: its port 9 is closed for what 10.0.0.2:1000 sent it. */
  portUnreachable: hex(
    '45c00040f57a0000400170800a0000010a0000020303112100000000' +
      '4500002400000000401166c70a0000020a00000103e8000900102466616e79626f64793f',
  ),
}

export function hex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, 'hex'))
}
