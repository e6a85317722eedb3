import assert from 'node:assert/strict'
import { endianness } from 'node:os'
import { gatewaysOf, hardwareAddressIn } from '../../src/io/gateway.ts'

const HEAD = 'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n'

/** As the kernel of this machine would print a 32-bit number that is in network byte order. */
function printed(hex: string): string {
  const bytes = Buffer.from(hex, 'hex')
  return (endianness() === 'LE' ? bytes.reverse() : bytes).toString('hex').toUpperCase()
}

function route(
  name: string,
  gateway: string,
  { flags = '0003', metric = 0, mask = '0' } = {},
): string {
  const fields = [
    name,
    '00000000',
    printed(gateway),
    flags,
    '0',
    '0',
    metric,
    mask.padStart(8, '0'),
  ]
  return `${fields.join('\t')}\t0\t0\t0\n`
}

function addressOf(address: string, cidr: string) {
  const family = address.includes(':') ? ('IPv6' as const) : ('IPv4' as const)
  return { address, cidr, family, netmask: '', mac: '', internal: false, scopeid: 0 }
}

const interfaces = {
  eth0: [
    addressOf('10.0.0.5', '10.0.0.5/8'),
    addressOf('192.168.1.5', '192.168.1.5/24'),
    addressOf('fe80::5', 'fe80::5/64'),
    addressOf('2001:db8::5', '2001:db8::5/64'),
  ],
  wlan0: [addressOf('192.168.2.5', '192.168.2.5/24')],
}

describe('gatewaysOf()', () => {
  it('reads the default routes of /proc/net/route, the preferred one first', () => {
    const ipv4 = HEAD + route('wlan0', 'c0a80201', { metric: 600 }) + route('eth0', 'c0a80101')

    assert.deepEqual(gatewaysOf({ ipv4, ipv6: '', interfaces }), [
      {
        family: 4,
        address: '192.168.1.1',
        interfaceName: 'eth0',
        localAddress: '192.168.1.5',
      },
      {
        family: 4,
        address: '192.168.2.1',
        interfaceName: 'wlan0',
        localAddress: '192.168.2.5',
      },
    ])
  })

  it('reads those of /proc/net/ipv6_route', () => {
    const zero = '0'.repeat(32)
    const hop = 'fe800000000000000000000000000001'
    const lo = `${zero} 00 ${zero} 00 ${zero} ffffffff 00000001 00000000 00200200       lo\n`
    const eth = `${zero} 00 ${zero} 00 ${hop} 00000400 00000001 00000000 00000003     eth0\n`

    assert.deepEqual(gatewaysOf({ ipv4: '', ipv6: lo + eth, interfaces }), [
      { family: 6, address: 'fe80::1', interfaceName: 'eth0', localAddress: 'fe80::5' },
    ])
  })

  it('passes over routes that are down, lead to no gateway, or are no default', () => {
    const ipv4 =
      HEAD +
      route('eth0', 'c0a80101', { flags: '0002' }) +
      route('eth0', '00000000', { flags: '0001' }) +
      route('eth0', 'c0a80101', { mask: 'FF' }) +
      'nonsense\n'

    assert.deepEqual(gatewaysOf({ ipv4, ipv6: 'nonsense', interfaces }), [])
  })

  it('knows no local address of an interface that has gone', () => {
    const [gateway] = gatewaysOf({ ipv4: HEAD + route('ppp0', 'c0a80101'), ipv6: '', interfaces })

    assert.equal(gateway?.localAddress, undefined)
  })
})

describe('hardwareAddressIn()', () => {
  const arp = `IP address       HW type     Flags       HW address            Mask     Device
192.168.1.1      0x1         0x2         b0:f2:08:0a:d1:14     *        eth0
192.168.1.9      0x1         0x0         00:00:00:00:00:00     *        eth0
`

  it('is that of the address, where the kernel knows one', () => {
    assert.equal(hardwareAddressIn(arp, '192.168.1.1'), 'b0:f2:08:0a:d1:14')
    assert.equal(hardwareAddressIn(arp, '192.168.1.9'), undefined)
    assert.equal(hardwareAddressIn(arp, '192.168.1.2'), undefined)
    assert.equal(hardwareAddressIn('', '192.168.1.1'), undefined)
  })
})
