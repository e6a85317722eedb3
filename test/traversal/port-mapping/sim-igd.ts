import type { Endpoint } from '../../../src/core/endpoint.ts'
import type { Instant } from '../../../src/core/instant.ts'
import type { Transmit } from '../../../src/core/machine.ts'
import type { HttpOutcome, HttpRequest } from '../../../src/traversal/port-mapping/http-exchange.ts'
import { leavesOf } from '../../../src/traversal/port-mapping/xml-leaves.ts'
import { ipv4 } from '../../stun/endpoints.ts'
import { type Answer, GATEWAY } from './bench.ts'

interface Options {
  readonly version?: 1 | 2
  readonly services?: readonly string[]
  readonly address?: string
  /** Of the services, one after the other. */
  readonly externalAddresses?: readonly string[]
}

/** One request for an action, as the gateway understood it. */
export interface Action {
  readonly name: string
  readonly parameters: Readonly<Record<string, string>>
}

/** A router that speaks UPnP as real ones do. */
export class SimIgd {
  /** External port to what leads there. */
  readonly mappings = new Map<number, string>()
  readonly actions: Action[] = []
  /** Error codes for the next attempts to add a mapping; then it works. */
  faults: number[] = []
  /** HTTP does not answer. */
  isDeaf = false
  /** SSDP does not answer. */
  isSilent = false
  externalAddresses: readonly string[]
  /** Changes with a restart. */
  httpPort = 5000
  location: string | undefined
  description: string | undefined
  readonly #services: readonly string[]
  readonly #version: 1 | 2
  readonly #address: string

  constructor({
    version = 1,
    services = [`urn:schemas-upnp-org:service:WANIPConnection:${version}`],
    address = GATEWAY.address,
    externalAddresses = ['198.51.100.7'],
  }: Options = {}) {
    this.#version = version
    this.#services = services
    this.#address = address
    this.externalAddresses = externalAddresses
  }

  get url(): string {
    return `http://${this.#address}:${this.httpPort}`
  }

  readonly datagram = (_now: Instant, { to, bytes }: Transmit): readonly Answer[] => {
    const isForUs = to.address === this.#address || to.address === '239.255.255.250'
    const target = /^ST: (.*:InternetGatewayDevice:(\d))\r$/m.exec(String(Buffer.from(bytes)))
    if (!isForUs || to.port !== 1900 || this.isSilent || target?.[1] === undefined) return []
    if (Number(target[2]) > this.#version) return []
    return [{ from: this.#from(), bytes: this.answer(target[1]) }]
  }

  answer(target = 'urn:schemas-upnp-org:device:InternetGatewayDevice:1'): Uint8Array {
    const location = this.location ?? `${this.url}/rootDesc.xml`
    const lines = ['HTTP/1.1 200 OK', 'CACHE-CONTROL: max-age=120', `ST: ${target}`, 'EXT:']
    return Buffer.from([...lines, `LOCATION: ${location}`, '', ''].join('\r\n'))
  }

  readonly http = (request: HttpRequest): HttpOutcome | undefined => {
    if (this.isDeaf) return { kind: 'failed', why: 'timed out' }
    if (!request.url.startsWith(this.url)) return { kind: 'failed', why: 'connection refused' }
    if (request.method === 'GET') return ok(this.description ?? this.#describe())
    return this.#act(request)
  }

  #from(): Endpoint {
    return ipv4(this.#address, 1900)
  }

  #describe(): string {
    const services = this.#services.map((type, index) => {
      return `<service><serviceType>${type}</serviceType>
        <serviceId>urn:upnp-org:serviceId:${index}</serviceId>
        <controlURL>/ctl/${index}</controlURL><eventSubURL>/evt</eventSubURL></service>`
    })
    return `<?xml version="1.0"?>
      <root xmlns="urn:schemas-upnp-org:device-1-0"><specVersion><major>1</major></specVersion>
      <device><deviceType>urn:schemas-upnp-org:device:InternetGatewayDevice:1</deviceType>
      <deviceList><device><serviceList>${services.join('')}</serviceList></device></deviceList>
      </device></root>`
  }

  #act({ url, headers, body }: HttpRequest): HttpOutcome {
    const service = this.#services[Number(url.at(-1))] ?? ''
    const name = /^"(.*)#(.*)"$/.exec(headers['soapaction'] ?? '')?.[2] ?? ''
    const leaves = leavesOf(body).filter(({ parentName }) => parentName === name)
    const parameters = Object.fromEntries(leaves.map((leaf) => [leaf.name, leaf.text]))
    this.actions.push({ name, parameters })
    if (!(headers['soapaction'] ?? '').includes(`${service}#`)) return fault(401)
    switch (name) {
      case 'GetExternalIPAddress':
        return answer(service, name, {
          NewExternalIPAddress: this.externalAddresses[Number(url.at(-1))] ?? '',
        })
      case 'AddPortMapping':
      case 'AddAnyPortMapping':
        return this.#add(service, name, parameters)
      case 'DeletePortMapping': {
        const isThere = this.mappings.delete(Number(parameters['NewExternalPort']))
        return isThere ? answer(service, name, {}) : fault(714)
      }
      default:
        return fault(401)
    }
  }

  #add(service: string, name: string, parameters: Action['parameters']): HttpOutcome {
    const code = this.faults.shift()
    if (code !== undefined) return fault(code)
    if (name === 'AddAnyPortMapping' && this.#version === 1) return fault(401)
    const wanted = Number(parameters['NewExternalPort'])
    const target = `${parameters['NewInternalClient']}:${parameters['NewInternalPort']}`
    const isTaken = (this.mappings.get(wanted) ?? target) !== target
    if (isTaken && name === 'AddPortMapping') return fault(718)
    const port = isTaken ? wanted + 1 : wanted
    this.mappings.set(port, target)
    return answer(service, name, name === 'AddPortMapping' ? {} : { NewReservedPort: String(port) })
  }
}

function ok(text: string): HttpOutcome {
  return { kind: 'answered', status: 200, body: Buffer.from(text) }
}

function answer(service: string, name: string, values: Record<string, string>): HttpOutcome {
  const elements = Object.entries(values).map(([key, value]) => `<${key}>${value}</${key}>`)
  return ok(
    `<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>
    <u:${name}Response xmlns:u="${service}">${elements.join('')}</u:${name}Response></s:Body></s:Envelope>`,
  )
}

function fault(code: number): HttpOutcome {
  const text = `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><s:Fault>
    <faultcode>s:Client</faultcode><faultstring>UPnPError</faultstring><detail>
    <UPnPError xmlns="urn:schemas-upnp-org:control-1-0"><errorCode>${code}</errorCode>
    <errorDescription>why</errorDescription></UPnPError></detail></s:Fault></s:Body></s:Envelope>`
  return { kind: 'answered', status: 500, body: Buffer.from(text) }
}
