/** The four actions of WANIPConnection and WANPPPConnection that a mapping needs (UPnP WANIPConnection:2 §2.5). */
import { scopeOf } from '../../core/address-scope.ts'
import { endpoint } from '../../core/endpoint.ts'
import type { HttpRequest } from './http-exchange.ts'
import type { IgdService } from './igd-description.ts'
import { decodeSoapAnswer, encodeSoapCall } from './soap.ts'

export type AddAction = 'AddPortMapping' | 'AddAnyPortMapping'

export interface AddRequest {
  readonly action: AddAction
  readonly externalPort: number
  readonly localAddress: string
  readonly localPort: number
  /** 0: until it is deleted. */
  readonly leaseSeconds: number
}

/** `undefined` as a code: no answer, or one that makes no sense. */
export type ActionResult<T> =
  | { readonly kind: 'done'; readonly value: T }
  | { readonly kind: 'failed'; readonly code: number | undefined }

/** Shown in the router's table. */
const DESCRIPTION = 'holler'

export function addRequest(service: IgdService, wanted: AddRequest): HttpRequest {
  return request(service, wanted.action, [
    ['NewRemoteHost', ''], // anybody
    ['NewExternalPort', String(wanted.externalPort)],
    ['NewProtocol', 'UDP'],
    ['NewInternalPort', String(wanted.localPort)],
    ['NewInternalClient', wanted.localAddress],
    ['NewEnabled', '1'],
    ['NewPortMappingDescription', DESCRIPTION],
    ['NewLeaseDuration', String(wanted.leaseSeconds)],
  ])
}

/** The external port: AddAnyPortMapping may give another than the one wished for. */
export function readAdded(wanted: AddRequest, document: Uint8Array): ActionResult<number> {
  const result = resultOf(wanted.action, document)
  if (result.kind === 'failed') return result
  if (wanted.action === 'AddPortMapping') return { kind: 'done', value: wanted.externalPort }
  const port = result.value.get('NewReservedPort') ?? ''
  const isPort = /^\d{1,5}$/.test(port) && Number(port) >= 1 && Number(port) <= 65535
  return isPort ? { kind: 'done', value: Number(port) } : { kind: 'failed', code: undefined }
}

export function deleteRequest(service: IgdService, externalPort: number): HttpRequest {
  return request(service, 'DeletePortMapping', [
    ['NewRemoteHost', ''],
    ['NewExternalPort', String(externalPort)],
    ['NewProtocol', 'UDP'],
  ])
}

export function readDeleted(document: Uint8Array): ActionResult<undefined> {
  const result = resultOf('DeletePortMapping', document)
  const isGone = result.kind === 'done' || result.code === NO_SUCH_ENTRY
  return isGone ? { kind: 'done', value: undefined } : result
}

export function addressRequest(service: IgdService): HttpRequest {
  return request(service, 'GetExternalIPAddress', [])
}

/** Some router answers with nothing or 0.0.0.0 for a connection that is down. */
export function readAddress(document: Uint8Array): ActionResult<string> {
  const result = resultOf('GetExternalIPAddress', document)
  if (result.kind === 'failed') return result
  const address = endpoint(result.value.get('NewExternalIPAddress') ?? '', 0)
  if (!address.ok || address.value.family !== 4) return { kind: 'failed', code: undefined }
  const scope = scopeOf(address.value)
  if (scope === 'unusable' || scope === 'loopback') return { kind: 'failed', code: undefined }
  return { kind: 'done', value: address.value.address }
}

/** NoSuchEntryInArray. */
const NO_SUCH_ENTRY = 714

function resultOf(action: string, document: Uint8Array): ActionResult<ReadonlyMap<string, string>> {
  const answer = decodeSoapAnswer(action, document)
  if (!answer.ok) return { kind: 'failed', code: undefined }
  if (answer.value.kind === 'fault') return { kind: 'failed', code: answer.value.code }
  return { kind: 'done', value: answer.value.values }
}

function request(
  { type, controlUrl }: IgdService,
  action: string,
  parameters: readonly (readonly [string, string])[],
): HttpRequest {
  return encodeSoapCall({ serviceType: type, controlUrl, action, parameters })
}
