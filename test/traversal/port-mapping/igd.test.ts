import assert from 'node:assert/strict'
import fc from 'fast-check'
import { utf8 } from '../../../src/core/bytes.ts'
import {
  readAdded,
  readAddress,
  readDeleted,
} from '../../../src/traversal/port-mapping/igd-actions.ts'
import { decodeDescription } from '../../../src/traversal/port-mapping/igd-description.ts'
import { localUrl } from '../../../src/traversal/port-mapping/local-url.ts'
import { decodeSoapAnswer, encodeSoapCall } from '../../../src/traversal/port-mapping/soap.ts'
import { decodeSearchAnswer, encodeSearch } from '../../../src/traversal/port-mapping/ssdp.ts'
import { leavesOf } from '../../../src/traversal/port-mapping/xml-leaves.ts'
import { SSDP_GROUP } from './bench.ts'

const IGD = 'urn:schemas-upnp-org:device:InternetGatewayDevice:1'
const IP_1 = 'urn:schemas-upnp-org:service:WANIPConnection:1'
const IP_2 = 'urn:schemas-upnp-org:service:WANIPConnection:2'
const PPP = 'urn:schemas-upnp-org:service:WANPPPConnection:1'

describe('encodeSearch()', () => {
  it('writes UPnP Device Architecture 1.1 §1.3.2’s request', () => {
    assert.equal(
      String(encodeSearch(SSDP_GROUP, IGD)),
      'M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: "ssdp:discover"\r\nMX: 1\r\n' +
        `ST: ${IGD}\r\n\r\n`,
    )
  })
})

describe('decodeSearchAnswer()', () => {
  const value = { target: IGD, location: 'http://192.168.1.1:5000/rootDesc.xml' }

  it('reads headers in whatever case, order and line ends', () => {
    for (const end of ['\r\n', '\n']) {
      const lines = ['HTTP/1.1 200 OK', 'eXt:', `location:${value.location} `, `St:  ${IGD}`, '']
      assert.deepEqual(decodeSearchAnswer(utf8(lines.join(end))), { ok: true, value })
    }
  })

  const head = 'HTTP/1.1 200 OK\r\n'
  const wrong: readonly (readonly [string, string])[] = [
    ['another status', `HTTP/1.1 404 Not Found\r\nLOCATION: http://a/\r\nST: ${IGD}\r\n\r\n`],
    ['a notification', `NOTIFY * HTTP/1.1\r\nLOCATION: http://a/\r\nST: ${IGD}\r\n\r\n`],
    ['no location', `${head}ST: ${IGD}\r\n\r\n`],
    ['no target', `${head}LOCATION: http://a/\r\n\r\n`],
    ['more than 2048 bytes', `${head}LOCATION: x\r\nST: y\r\nX: ${'x'.repeat(2048)}`],
    ['too long a location', `${head}LOCATION: ${'x'.repeat(513)}\r\nST: y\r\n\r\n`],
    ['nothing', ''],
  ]
  for (const [what, text] of wrong) {
    it(`refuses ${what}`, () => {
      assert.equal(decodeSearchAnswer(utf8(text)).ok, false)
    })
  }
})

describe('localUrl()', () => {
  it('takes references to the same address, whatever the port and however they are written', () => {
    const base = 'http://192.168.1.1:5000/desc/root.xml'
    for (const [text, href] of [
      ['http://192.168.1.1/', 'http://192.168.1.1/'],
      ['http://192.168.1.1:49152/x', 'http://192.168.1.1:49152/x'],
      ['/ctl', 'http://192.168.1.1:5000/ctl'],
      ['ctl?a=b', 'http://192.168.1.1:5000/desc/ctl?a=b'],
      ['http://0xc0a80101/x#y', 'http://192.168.1.1/x'],
    ] as const) {
      assert.deepEqual(localUrl(text, '192.168.1.1', base), { ok: true, value: href })
    }
  })

  it('refuses whatever leads elsewhere', () => {
    const base = 'http://192.168.1.1:5000/'
    for (const text of [
      '//198.51.100.1/x',
      '\\\\198.51.100.1\\x',
      'http://192.168.1.10/',
      'http://192.168.1.1.example/',
      'http://user@192.168.1.1/',
      'https://192.168.1.1/',
      'javascript:1',
      'http://[::ffff:198.51.100.1]/',
      'http://',
    ]) {
      assert.equal(localUrl(text, '192.168.1.1', base).ok, false, text)
    }
  })
})

describe('leavesOf()', () => {
  function texts(xml: string): readonly (readonly [string, string])[] {
    return leavesOf(utf8(xml)).map(({ name, text }) => [name, text])
  }

  it('gives the elements with text alone, in their order, without prefixes and white space', () => {
    assert.deepEqual(
      texts('<?xml version="1.0"?><!-- <x>no</x> --><a xmlns="b"><u:b c=\'d\'> e\n</u:b><f/></a>'),
      [
        ['b', 'e'],
        ['f', ''],
      ],
    )
  })

  it('tells which leaves are siblings', () => {
    const [one, two, three] = leavesOf(utf8('<a><s><x>1</x><y>2</y></s><s><x>3</x></s></a>'))

    assert.equal(one?.parentName, 's')
    assert.equal(one.parent, two?.parent)
    assert.notEqual(one.parent, three?.parent)
  })

  it('reads references and CDATA, and leaves unknown references alone', () => {
    assert.deepEqual(texts('<a>&lt;&#65;&#x42;&amp;&nbsp;&#1114112;<![CDATA[<b>&amp;]]></a>'), [
      ['a', '<AB&&nbsp;&#1114112;<b>&amp;'],
    ])
  })

  it('closes what was forgotten, and overlooks ends without beginnings', () => {
    assert.deepEqual(texts('<a><b>1</a></c><d>2</d>'), [['d', '2']])
    assert.deepEqual(texts('<a><b>1</b></x><c>2</c>'), [
      ['b', '1'],
      ['c', '2'],
    ])
  })

  it('expands no entities of the document’s own', () => {
    const bomb = '<!DOCTYPE a [<!ENTITY x "ha"><!ENTITY y "&x;&x;">]><a>&y;</a>'

    assert.deepEqual(texts(bomb), [['a', '&y;']])
  })

  it('stops where it gets too deep or too much', () => {
    assert.deepEqual(texts(`${'<a>'.repeat(20_000)}x${'</a>'.repeat(20_000)}`), [])
    assert.equal(texts('<a/>'.repeat(16_000)).length, 2048)
  })

  it('takes no longer for 64 KiB of nonsense than for sense', () => {
    const halves = ['<', '<a', '<!--', '<![CDATA[', '</', '<a b="', '&#', '<a>&lt;', '</a><a>']
    for (const half of halves) {
      const started = performance.now()
      leavesOf(utf8(half.repeat(65_536 / half.length)))
      assert.ok(performance.now() - started < 500, half)
    }
  })
})

describe('decodeDescription()', () => {
  const at = { url: 'http://192.168.1.1:5000/rootDesc.xml', address: '192.168.1.1' }

  function service(type: string, control: string): string {
    return `<service><serviceType>${type}</serviceType><controlURL>${control}</controlURL></service>`
  }

  it('finds the services that map, the best first', () => {
    const types = [PPP, IP_1, 'urn:schemas-upnp-org:service:Layer3Forwarding:1', IP_2]
    const document = types.map((type, index) => service(type, `/${index}`)).join('')

    assert.deepEqual(decodeDescription(utf8(`<root>${document}</root>`), at), {
      ok: true,
      value: [
        { type: IP_2, hasAnyPort: true, controlUrl: 'http://192.168.1.1:5000/3' },
        { type: IP_1, hasAnyPort: false, controlUrl: 'http://192.168.1.1:5000/1' },
        { type: PPP, hasAnyPort: false, controlUrl: 'http://192.168.1.1:5000/0' },
      ],
    })
  })

  it('respects URLBase, unless it leads away', () => {
    for (const [base, control] of [
      ['http://192.168.1.1:49152/igd/', 'http://192.168.1.1:49152/igd/ctl'],
      ['http://198.51.100.1/', 'http://192.168.1.1:5000/ctl'],
    ]) {
      const document = `<root><URLBase>${base}</URLBase>${service(IP_1, 'ctl')}</root>`
      const services = decodeDescription(utf8(document), at)
      assert.equal(services.ok && services.value[0]?.controlUrl, control)
    }
  })

  it('takes four services at most', () => {
    const document = service(IP_1, '/ctl').repeat(20)
    const services = decodeDescription(utf8(`<root>${document}</root>`), at)

    assert.equal(services.ok && services.value.length, 4)
  })

  it('refuses a description without a service for us', () => {
    for (const text of ['', '<root/>', service(IP_1, ''), service('x', '/ctl')]) {
      assert.equal(decodeDescription(utf8(text), at).ok, false, text)
    }
  })
})

describe('SOAP', () => {
  it('writes UPnP Device Architecture 1.1 §3.2.1’s request', () => {
    const request = encodeSoapCall({
      serviceType: IP_1,
      controlUrl: 'http://192.168.1.1:5000/ctl',
      action: 'DeletePortMapping',
      parameters: [
        ['NewExternalPort', '1'],
        ['NewProtocol', '<&>'],
      ],
    })

    assert.deepEqual(request.headers, {
      'content-type': 'text/xml; charset="utf-8"',
      soapaction: `"${IP_1}#DeletePortMapping"`,
    })
    assert.equal(
      String(request.body),
      '<?xml version="1.0"?>\r\n<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"' +
        ' s:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body>' +
        `<u:DeletePortMapping xmlns:u="${IP_1}"><NewExternalPort>1</NewExternalPort>` +
        '<NewProtocol>&#60;&#38;&#62;</NewProtocol></u:DeletePortMapping></s:Body></s:Envelope>\r\n',
    )
  })

  it('reads what the action returned, and its empty response', () => {
    const full =
      '<e:Envelope><e:Body><m:XResponse><A>1</A><B></B></m:XResponse></e:Body></e:Envelope>'
    const answer = decodeSoapAnswer('X', utf8(full))
    assert.ok(answer.ok && answer.value.kind === 'done')
    assert.deepEqual(
      [...answer.value.values],
      [
        ['A', '1'],
        ['B', ''],
      ],
    )
    for (const empty of ['<u:XResponse/>', '<b><u:XResponse xmlns:u="y"></u:XResponse></b>']) {
      assert.equal(decodeSoapAnswer('X', utf8(empty)).ok, true)
    }
  })

  it('reads a fault by its number', () => {
    assert.deepEqual(decodeSoapAnswer('X', utf8('<d><errorCode> 718 </errorCode></d>')), {
      ok: true,
      value: { kind: 'fault', code: 718 },
    })
  })

  it('refuses what is neither: the page of a login, say', () => {
    for (const text of ['', '<html>log in</html>', '<YResponse/>', '<errorCode>no</errorCode>']) {
      assert.equal(decodeSoapAnswer('X', utf8(text)).ok, false, text)
    }
  })
})

describe('the answers to actions', () => {
  const failed = { kind: 'failed', code: undefined }

  function address(text: string): unknown {
    const name = 'GetExternalIPAddressResponse'
    return readAddress(
      utf8(`<${name}><NewExternalIPAddress>${text}</NewExternalIPAddress></${name}>`),
    )
  }

  it('an external address is an IPv4 address that somebody could have', () => {
    assert.deepEqual(address('198.51.100.7'), { kind: 'done', value: '198.51.100.7' })
    assert.deepEqual(address('10.0.0.7'), { kind: 'done', value: '10.0.0.7' })
    for (const text of ['', '0.0.0.0', '127.0.0.1', '255.255.255.255', '2001:db8::1', 'x']) {
      assert.deepEqual(address(text), failed, text)
    }
  })

  it('a reserved port is a port', () => {
    const wanted = {
      action: 'AddAnyPortMapping',
      externalPort: 1,
      localAddress: '192.168.1.5',
      localPort: 1,
      leaseSeconds: 0,
    } as const
    const name = 'AddAnyPortMappingResponse'
    const read = (port: string): unknown => {
      return readAdded(
        wanted,
        utf8(`<${name}><NewReservedPort>${port}</NewReservedPort></${name}>`),
      )
    }

    assert.deepEqual(read('50000'), { kind: 'done', value: 50_000 })
    for (const port of ['0', '65536', '-1', '1e3', '', 'x']) assert.deepEqual(read(port), failed)
  })

  it('never throw, whatever the bytes are', () => {
    const word = fc.constantFrom(
      ...['<', '>', '/', '&lt;', '<!--', '-->', '<![CDATA[', ']]>', 'errorCode', 'service', '&#'],
      ...['AddPortMappingResponse', 'serviceType', IP_1, 'controlURL', 'http://192.168.1.1', '"'],
    )
    fc.assert(
      fc.property(
        fc.array(fc.oneof(word, fc.string({ maxLength: 3 })), { maxLength: 60 }),
        (words) => {
          const bytes = utf8(words.join(''))
          leavesOf(bytes)
          decodeDescription(bytes, { url: 'http://192.168.1.1/', address: '192.168.1.1' })
          decodeSearchAnswer(bytes)
          readDeleted(bytes)
          readAddress(bytes)
        },
      ),
      { numRuns: 3000 },
    )
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => void leavesOf(bytes)))
  })
})
