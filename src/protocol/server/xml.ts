/**
 * XML documents of the server session as trees of elements and attributes; text between elements means nothing here.
 *
 * Reading goes through three gates, each of which only sees what passed the one before: the size in bytes, strict
 * UTF-8, our profile (`xml-profile.ts`), which is a whole grammar of what may come (the parser alone takes a truncated
 * document for a whole one; docs/adr/0021-one-grammar-before-the-parser.md); then the parser. This file is the one home
 * of the XML packages.
 */
import { EntityDecoder } from '@nodable/entities'
import { type X2jOptions, XMLParser } from 'fast-xml-parser'
import { utf8 } from '../../core/bytes.ts'
import { type Decoded, decoded, malformed } from '../../core/decoded.ts'
import { HollerError } from '../../core/holler-error.ts'
import { isXmlName, isXmlText, MAX_DEPTH, profileViolation } from './xml-profile.ts'

export interface XmlElement {
  readonly name: string
  readonly attributes: ReadonlyMap<string, string>
  readonly children: readonly XmlElement[]
}

/** One document, as it comes in one frame. */
const MAX_DOCUMENT_BYTES = 96 * 1024

/** The parser's ordered form: `{ name: children, ':@': { '@attribute': value } }`, text as `{ '#text': … }`. */
type OrderedNode = Readonly<Record<string, unknown>>

const ATTRIBUTES = ':@'
const TEXT = '#text'
const PREFIX = '@'

// What fits: the shortest reference that stands for a character, `&lt;`, has four bytes.
const MOST_REFERENCES = MAX_DOCUMENT_BYTES / 4

const PARSING: X2jOptions = {
  preserveOrder: true, // else one child is an object, two are an array, and names become keys of an object
  ignoreAttributes: false,
  attributeNamePrefix: PREFIX,
  parseTagValue: false, // else 007 is 7 and 1e5 is 100000
  parseAttributeValue: false,
  trimValues: false,
  ignoreDeclaration: true,
  ignorePiTags: true,
  maxNestedTags: MAX_DEPTH,
  jPath: false, // no path strings: nobody asks for them
  // The built-in decoder leaves numeric references as they are; with `processEntities: false` also `&amp;`.
  entityDecoder: new EntityDecoder({
    onInputEntity: () => 'throw', // an entity declared by the document itself
    limit: {
      maxTotalExpansions: MOST_REFERENCES,
      maxExpandedLength: MAX_DOCUMENT_BYTES,
      applyLimitsTo: 'all',
    },
  }),
}

const parser = new XMLParser(PARSING)

/** For documents without a single reference, nearly all: a third is saved by not looking for them in each value. */
const plainParser = new XMLParser({ ...PARSING, processEntities: false })

// `fatal`: bytes that are not UTF-8 are an error, never U+FFFD. `ignoreBOM`: a byte order mark stays and is refused.
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Limits below those that hold for every document. */
export interface XmlLimits {
  readonly bytes?: number
  readonly elements?: number
}

/** Reads one document. */
export function readXml(bytes: Uint8Array, limits: XmlLimits = {}): Decoded<XmlElement> {
  if (bytes.length > (limits.bytes ?? MAX_DOCUMENT_BYTES)) return malformed('document too long')
  const text = textOf(bytes)
  if (text === undefined) return malformed('not UTF-8')
  const violation = profileViolation(text, limits.elements)
  if (violation !== undefined) return malformed(violation)
  try {
    return rootOf((text.includes('&') ? parser : plainParser).parse(text))
  } catch {
    return malformed('not well-formed XML') // or a name that the parser reserves: `constructor`
  }
}

/**
 * Writes one document, without declaration or white space.
 * @throws {HollerError} INVALID_PARAMS for a text that XML cannot carry, TOO_LARGE for a document beyond 96 KiB.
 */
export function writeXml(root: XmlElement): Uint8Array {
  const bytes = utf8(textOfElement(root))
  if (bytes.length > MAX_DOCUMENT_BYTES) {
    throw new HollerError('TOO_LARGE', `A message <${root.name}> of ${bytes.length} bytes`)
  }
  return bytes
}

function textOfElement({ name, attributes, children }: XmlElement): string {
  checkName(name) // `a><evil/` would be an element
  let text = `<${name}`
  for (const [attribute, value] of attributes) {
    checkName(attribute)
    text += ` ${attribute}="${PLAIN.test(value) ? value : escaped(value, attribute, name)}"`
  }
  if (children.length === 0) return `${text}/>`
  text += '>'
  for (const child of children) text += textOfElement(child)
  return `${text}</${name}>`
}

function checkName(name: string): void {
  if (!isXmlName(name)) throw new RangeError(`Not an XML name: ${JSON.stringify(name)}`)
}

/** Numbers, base64, words: what stands for itself. */
const PLAIN = /^[A-Za-z0-9+/=.:_ -]*$/

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  '\t': '&#9;', // XML 1.0 §3.3.3: raw, these three would be read as blanks
  '\n': '&#10;',
  '\r': '&#13;',
}

function escaped(value: string, attribute: string, element: string): string {
  if (!isXmlText(value)) {
    throw new HollerError('INVALID_PARAMS', `XML cannot carry the ${attribute} of <${element}>`)
  }
  return value.replace(/[&<>"\t\n\r]/g, (character) => ESCAPES[character] ?? character)
}

function textOf(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes)
  } catch {
    return undefined
  }
}

// The profile has seen to it that there is one root; should the parser see something else, the document is refused.
function rootOf(parsed: unknown): Decoded<XmlElement> {
  const elements = elementsOf(parsed)
  const [root] = elements
  if (root === undefined || elements.length > 1) return malformed('not one root element')
  return decoded(root)
}

function elementsOf(nodes: unknown): XmlElement[] {
  const elements: XmlElement[] = []
  for (const node of Array.isArray(nodes) ? (nodes as OrderedNode[]) : []) {
    const name = nameOf(node)
    if (name === undefined) continue
    elements.push({
      name,
      attributes: attributesOf(node[ATTRIBUTES]),
      children: elementsOf(node[name]),
    })
  }
  return elements
}

function nameOf(node: OrderedNode): string | undefined {
  for (const name in node) if (name !== ATTRIBUTES && name !== TEXT) return name
  return undefined
}

function attributesOf(values: unknown): ReadonlyMap<string, string> {
  const attributes = new Map<string, string>() // ≤ MAX_ATTRIBUTES, by the profile
  const byKey = values as Readonly<Record<string, string>> | undefined
  for (const key in byKey) attributes.set(key.slice(PREFIX.length), byKey[key] ?? '')
  return attributes
}
