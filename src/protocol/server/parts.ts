/**
 * What a message is made of, and how each part is written into an element and read out of it: attributes, child
 * elements, lists of them, and records of all these. A part knows nothing of messages; `tables.ts` puts them together.
 */
import { type Decoded, decoded, malformed } from '../../core/decoded.ts'
import { type Endpoint, endpoint } from '../../core/endpoint.ts'
import { HollerError } from '../../core/holler-error.ts'
import { integer, ipAddress, type Scalar } from './scalars.ts'
import type { XmlElement } from './xml.ts'

/** An element while it is being written. */
interface Draft extends XmlElement {
  readonly attributes: Map<string, string>
  readonly children: XmlElement[]
}

export interface Part<T> {
  readonly isOptional: boolean
  write(value: T, into: Draft): void
  /** `undefined` when the part is not there. */
  read(from: XmlElement): Decoded<T> | undefined
}

/** A part for each field of `T`; where a field may be absent, an optional one. */
export type PartsOf<T> = { readonly [K in keyof T]-?: Part<NonNullable<T[K]>> }

/** Writes a whole element. */
export function toElement<T>(name: string, part: Part<T>, value: T): XmlElement {
  const draft: Draft = { name, attributes: new Map(), children: [] }
  part.write(value, draft)
  return draft
}

export function attribute<T>(name: string, scalar: Scalar<T>): Part<T> {
  return {
    isOptional: false,
    write: (value, into) => {
      const text = scalar.write(value)
      if (scalar.read(text) === undefined) {
        throw new HollerError('INVALID_PARAMS', `The ${name} of <${into.name}> is out of bounds`)
      }
      into.attributes.set(name, text)
    },
    read: ({ attributes }) => {
      const text = attributes.get(name)
      if (text === undefined) return undefined
      const value = scalar.read(text)
      return value === undefined ? malformed(`${name} out of bounds`) : decoded(value)
    },
  }
}

export function optional<T>(part: Part<T>): Part<T> {
  return { ...part, isOptional: true }
}

/** One child element. */
export function child<T>(name: string, part: Part<T>): Part<T> {
  return {
    isOptional: false,
    write: (value, into) => into.children.push(toElement(name, part, value)),
    read: ({ children }) => {
      const [element, ...others] = children.filter((each) => each.name === name)
      if (element === undefined) return undefined
      return others.length > 0 ? malformed(`<${name}> given twice`) : part.read(element)
    },
  }
}

/** Any number of child elements up to `most`, in their order; none is an empty list. */
export function list<T>(name: string, most: number, part: Part<T>): Part<readonly T[]> {
  return {
    isOptional: false,
    write: (values, into) => {
      if (values.length > most) {
        throw new HollerError('INVALID_PARAMS', `More than ${most} <${name}> in <${into.name}>`)
      }
      for (const value of values) into.children.push(toElement(name, part, value))
    },
    read: ({ children }) => {
      const elements = children.filter((each) => each.name === name)
      if (elements.length > most) return malformed(`more than ${most} <${name}>`)
      return readAll(name, elements, part)
    },
  }
}

/** Several parts of the same element, as an object. */
export function record<T extends object>(parts: PartsOf<T>): Part<T> {
  const entries = Object.entries<Part<unknown>>(parts)
  return {
    isOptional: false,
    write: (value, into) => {
      for (const [key, part] of entries) {
        const field = (value as Record<string, unknown>)[key]
        if (field !== undefined || !part.isOptional) part.write(field, into)
      }
    },
    read: (from) => {
      const result: Record<string, unknown> = {}
      for (const [key, part] of entries) {
        const field = part.read(from)
        if (field === undefined && part.isOptional) continue
        if (field === undefined) return malformed(`<${from.name}> without ${key}`)
        if (!field.ok) return field
        result[key] = field.value
      }
      return decoded(result as T) // each key of T has been read by the part that PartsOf<T> demands
    },
  }
}

/** An address with a port, as two attributes. Port 0 is nowhere. */
export const endpointPart: Part<Endpoint> = {
  isOptional: false,
  write: (value, into) => {
    ip.write(value.address, into)
    port.write(value.port, into)
  },
  read: (from) => {
    const address = ip.read(from)
    const number = port.read(from)
    if (address === undefined || number === undefined) return undefined
    if (!address.ok) return address
    return number.ok ? endpoint(address.value, number.value) : number
  },
}

const ip = attribute('ip', ipAddress)
const port = attribute('port', integer(1, 65535))

function readAll<T>(
  name: string,
  elements: readonly XmlElement[],
  part: Part<T>,
): Decoded<readonly T[]> {
  const values: T[] = []
  for (const element of elements) {
    const value = part.read(element)
    if (value === undefined) return malformed(`empty <${name}>`)
    if (!value.ok) return value
    values.push(value.value)
  }
  return decoded(values)
}
