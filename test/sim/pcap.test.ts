import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { inTemporaryDirectory } from '../support/temporary-directory.ts'
import { Pcap } from './pcap.ts'

const packet = {
  from: { family: 4, address: '192.168.1.5', port: 5000 },
  to: { family: 4, address: '198.51.100.1', port: 3478 },
  bytes: Uint8Array.of(1, 2, 3),
  ttl: 4,
  origin: 'alice',
} as const

describe('Pcap', () => {
  it('writes a header, and each packet with its time and checksum', () => {
    const pcap = new Pcap()
    pcap.add(1500.25, packet)

    const bytes = pcap.bytes()

    assert.equal(bytes.toString('hex', 0, 24), 'd4c3b2a1020004000000000000000000ffff000065000000')
    assert.equal(bytes.toString('hex', 24, 40), '010000001aa207001f0000001f000000')
    const header = bytes.subarray(40, 60)
    let sum = 0
    for (let at = 0; at < 20; at += 2) sum += header.readUInt16BE(at)
    assert.equal((sum & 0xffff) + (sum >>> 16), 0xffff) // RFC 1071 §1
    assert.equal(bytes.toString('hex', 60), '13880d96000b0000010203')
  })

  it('is read by tcpdump, where that is installed', async function () {
    if (spawnSync('tcpdump', ['--version']).error !== undefined) this.skip()
    await inTemporaryDirectory((directory) => {
      const path = join(directory, 'world.pcap')
      const pcap = new Pcap()
      pcap.add(0, packet)
      pcap.write(path)

      const { stdout } = spawnSync('tcpdump', ['-n', '-v', '-r', path], { encoding: 'utf8' })

      assert.match(stdout, /ttl 4.*proto UDP/)
      assert.match(stdout, /192\.168\.1\.5\.5000 > 198\.51\.100\.1\.3478/)
      assert.doesNotMatch(stdout, /bad cksum/)
      return Promise.resolve()
    })
  })
})
