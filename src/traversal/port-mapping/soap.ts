/** Actions of a UPnP service as HTTP requests, UPnP Device Architecture 1.1 §3.1 and §3.2. */
import { utf8 } from '../../core/bytes.ts'
import { type Decoded, decoded, malformed } from '../../core/decoded.ts'
import type { HttpRequest } from './http-exchange.ts'
import { leavesOf } from './xml-leaves.ts'

export interface SoapCall {
  readonly serviceType: string
  readonly controlUrl: string
  readonly action: string
  /** In the order of the service's description: some routers take them by their place. */
  readonly parameters: readonly (readonly [name: string, value: string])[]
}

export type SoapAnswer =
  | { readonly kind: 'done'; readonly values: ReadonlyMap<string, string> }
  | { readonly kind: 'fault'; readonly code: number }

export function encodeSoapCall({
  serviceType,
  controlUrl,
  action,
  parameters,
}: SoapCall): HttpRequest {
  const elements = parameters.map(([name, value]) => `<${name}>${escaped(value)}</${name}>`)
  const body =
    '<?xml version="1.0"?>\r\n' +
    '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"' +
    ' s:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body>' +
    `<u:${action} xmlns:u="${serviceType}">${elements.join('')}</u:${action}>` +
    '</s:Body></s:Envelope>\r\n'
  const headers = {
    'content-type': 'text/xml; charset="utf-8"',
    soapaction: `"${serviceType}#${action}"`,
  }
  return { method: 'POST', url: controlUrl, headers, body: utf8(body) }
}

/** A fault comes with status 500, or with whatever the router thinks fit: its code is what counts. */
export function decodeSoapAnswer(action: string, document: Uint8Array): Decoded<SoapAnswer> {
  const leaves = leavesOf(document)
  const code = leaves.find(({ name }) => name === 'errorCode')?.text
  if (code !== undefined) {
    return /^\d{3}$/.test(code)
      ? decoded({ kind: 'fault', code: Number(code) })
      : malformed('a fault without a number')
  }
  const response = `${action}Response`
  const values = leaves.filter(({ parentName }) => parentName === response)
  const isAnswer = values.length > 0 || leaves.some(({ name }) => name === response)
  if (!isAnswer) return malformed('no answer to this action')
  return decoded({ kind: 'done', values: new Map(values.map(({ name, text }) => [name, text])) })
}

function escaped(text: string): string {
  return text.replace(/[&<>]/g, (character) => `&#${character.codePointAt(0) ?? 0};`)
}
