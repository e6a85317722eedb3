import { utf8 } from '../../../src/core/bytes.ts'
import {
  readAdded,
  readAddress,
  readDeleted,
} from '../../../src/traversal/port-mapping/igd-actions.ts'
import { decodeDescription } from '../../../src/traversal/port-mapping/igd-description.ts'
import {
  decodeNatPmpRequest,
  decodeNatPmpResponse,
  encodeNatPmpRequest,
  encodeNatPmpResponse,
} from '../../../src/traversal/port-mapping/nat-pmp.ts'
import {
  decodePcpRequest,
  decodePcpResponse,
  encodePcpRequest,
  encodePcpResponse,
  type PcpMapping,
} from '../../../src/traversal/port-mapping/pcp.ts'
import { decodeSoapAnswer } from '../../../src/traversal/port-mapping/soap.ts'
import { decodeSearchAnswer } from '../../../src/traversal/port-mapping/ssdp.ts'
import { codecCheck, type FuzzTarget } from '../target.ts'

const mapping: PcpMapping = {
  nonce: '00112233445566778899aabb',
  internalPort: 4000,
  external: { family: 4, address: '203.0.113.7', port: 4000 },
}
const v6: PcpMapping = {
  ...mapping,
  external: { family: 6, address: '2001:db8::7', port: 4000 },
}

const GATEWAY = { url: 'http://192.168.1.1:5000/rootDesc.xml', address: '192.168.1.1' } as const

const SERVICE =
  '<service><serviceType>urn:schemas-upnp-org:service:WANIPConnection:1</serviceType>' +
  '<serviceId>x</serviceId><controlURL>/ctl?a=1&amp;b=2</controlURL></service>'

const DESCRIPTION =
  '<?xml version="1.0"?><root xmlns="urn:schemas-upnp-org:device-1-0"><URLBase>http://192.168.1.1:5000/' +
  `</URLBase><device><friendlyName><![CDATA[A <router>]]></friendlyName><!-- - --><serviceList>${SERVICE}` +
  `${SERVICE.replace('IP', 'PPP')}</serviceList></device></root>`

function soap(inner: string): string {
  return `<?xml version="1.0"?><s:Envelope xmlns:s="x"><s:Body>${inner}</s:Body></s:Envelope>`
}

const answers = [
  soap('<u:AddPortMappingResponse xmlns:u="y"/>'),
  soap(
    '<u:AddAnyPortMappingResponse><NewReservedPort>4000</NewReservedPort></u:AddAnyPortMappingResponse>',
  ),
  soap('<u:DeletePortMappingResponse></u:DeletePortMappingResponse>'),
  soap(
    '<u:GetExternalIPAddressResponse><NewExternalIPAddress>203.0.113.7</NewExternalIPAddress>' +
      '</u:GetExternalIPAddressResponse>',
  ),
  soap('<s:Fault><detail><UPnPError><errorCode>718</errorCode></UPnPError></detail></s:Fault>'),
]

const added = {
  action: 'AddAnyPortMapping',
  externalPort: 4000,
  localAddress: '192.168.1.2',
  localPort: 4000,
  leaseSeconds: 3600,
} as const

/** All who read answers, on one document. */
function checkSoap(bytes: Uint8Array): boolean {
  const results = [readAdded(added, bytes), readDeleted(bytes), readAddress(bytes)]
  const isAnswer = decodeSoapAnswer('AddPortMapping', bytes).ok
  return isAnswer || results.some((result) => result.kind === 'done')
}

export const portMappingTargets: readonly FuzzTarget[] = [
  {
    name: 'port-mapping/pcp-requests',
    about: 'RFC 6887, as the laboratory’s router reads them',
    format: 'binary',
    inputs: () =>
      [
        { kind: 'announce', client: '192.168.1.2' } as const,
        { kind: 'map', client: '192.168.1.2', lifetimeSeconds: 7200, ...mapping } as const,
        { kind: 'map', client: 'fd00::2', lifetimeSeconds: 0, ...v6 } as const,
      ].map(encodePcpRequest),
    check: codecCheck(decodePcpRequest, encodePcpRequest),
  },
  {
    name: 'port-mapping/pcp-responses',
    about: 'RFC 6887',
    format: 'binary',
    inputs: () =>
      [
        { kind: 'announce', result: 0, epochSeconds: 77 } as const,
        { kind: 'map', result: 0, lifetimeSeconds: 7200, epochSeconds: 77, ...mapping } as const,
        { kind: 'map', result: 8, lifetimeSeconds: 30, epochSeconds: 77, ...v6 } as const,
        { kind: 'unsupported-version', version: 0 } as const,
      ].map(encodePcpResponse),
    check: codecCheck(decodePcpResponse, encodePcpResponse),
  },
  {
    name: 'port-mapping/nat-pmp-requests',
    about: 'RFC 6886, as the laboratory’s router reads them',
    format: 'binary',
    inputs: () =>
      [
        { kind: 'address' } as const,
        { kind: 'map', internalPort: 4000, externalPort: 0, lifetimeSeconds: 7200 } as const,
      ].map(encodeNatPmpRequest),
    check: codecCheck(decodeNatPmpRequest, encodeNatPmpRequest),
  },
  {
    name: 'port-mapping/nat-pmp-responses',
    about: 'RFC 6886',
    format: 'binary',
    inputs: () =>
      [
        { kind: 'address', result: 0, epochSeconds: 9, address: '203.0.113.7' } as const,
        {
          kind: 'map',
          result: 0,
          epochSeconds: 9,
          internalPort: 4000,
          externalPort: 4001,
          lifetimeSeconds: 7200,
        } as const,
        { kind: 'unsupported-version', version: 2 } as const,
      ].map(encodeNatPmpResponse),
    check: codecCheck(decodeNatPmpResponse, encodeNatPmpResponse),
  },
  {
    name: 'port-mapping/ssdp-answers',
    about: 'who answers a search for gateways',
    format: 'text',
    inputs: () => [
      utf8(
        'HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=120\r\nLOCATION: http://192.168.1.1:5000/rootDesc.xml\r\n' +
          'ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\nEXT:\r\n\r\n',
      ),
    ],
    check: codecCheck(decodeSearchAnswer),
  },
  {
    name: 'port-mapping/descriptions',
    about: 'a gateway’s XML, which need not be XML',
    format: 'text',
    inputs: () => [DESCRIPTION, SERVICE].map(utf8),
    check: codecCheck((bytes) => decodeDescription(bytes, GATEWAY)),
  },
  {
    name: 'port-mapping/soap-answers',
    about: 'a gateway’s answers to actions',
    format: 'text',
    inputs: () => answers.map(utf8),
    check: checkSoap,
  },
]
