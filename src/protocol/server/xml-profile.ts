/**
 * The strict profile of XML 1.0 that the server session speaks, checked on the text itself before anything is built.
 *
 * Inside it: one root, elements, attributes, the five entities, numeric references to characters that XML can carry.
 * Outside it: DOCTYPE, comments, CDATA, processing instructions (the XML declaration too), namespaces' colons, upper
 * case in names, raw carriage returns, raw tabs and newlines in attributes. What is left means the same to every
 * parser, so two of them can never read two different messages out of one document.
 */

/** The root is at depth 1. Our deepest message has 3. */
export const MAX_DEPTH = 8

/** Our widest element has 6. */
const MAX_ATTRIBUTES = 16

/** The longest page of a list has about 130. 64 KiB of `<a/>` would be 16,000. */
export const MAX_ELEMENTS = 512

/** All of our names: lower case, so that none is a name of JavaScript's own (`__proto__`, `toString`). */
const NAME = '[a-z][a-z0-9-]{0,63}'
const SPACE = '[ \\t\\n]'

const WHOLE_NAME = new RegExp(`^${NAME}$`)
const START_TAG = new RegExp(`<(${NAME})`, 'y')
const ATTRIBUTE = new RegExp(`${SPACE}+(${NAME})${SPACE}*=${SPACE}*(?:"([^"<]*)"|'([^'<]*)')`, 'y')
const TAG_END = new RegExp(`${SPACE}*(/?)>`, 'y')
const END_TAG = new RegExp(`</(${NAME})${SPACE}*>`, 'y')
const BLANK = new RegExp(`^${SPACE}*$`)
const REFERENCE = /&(?:amp|lt|gt|quot|apos|#([0-9]{1,7})|#x([0-9a-fA-F]{1,6}));/y

// XML 1.0 §2.2 allows three control characters; we also refuse U+007F to U+009F, which it only discourages.
const FORBIDDEN = /[^\t\n\r\P{Cc}]|[\uFFFE\uFFFF]|\p{Surrogate}/u
const ALL_FORBIDDEN = new RegExp(FORBIDDEN, 'gu')

/** Whether an element or attribute may have this name. */
export function isXmlName(name: string): boolean {
  return WHOLE_NAME.test(name)
}

/** Whether a document can carry this text: no control character but tab and line ends, no lone surrogate. */
export function isXmlText(text: string): boolean {
  return !FORBIDDEN.test(text)
}

/** The text with U+FFFD in place of what a document cannot carry. */
export function toXmlText(text: string): string {
  return text.replace(ALL_FORBIDDEN, '\uFFFD')
}

/** Why the document is outside the profile; `undefined` when it is inside. */
export function profileViolation(text: string, mostElements = MAX_ELEMENTS): string | undefined {
  if (!isXmlText(text)) return 'forbidden character'
  if (text.includes('\r')) return 'raw carriage return'
  return new ProfileScanner(text, mostElements).violation()
}

class ProfileScanner {
  readonly #text: string
  readonly #mostElements: number
  readonly #open: string[] = [] // ≤ MAX_DEPTH
  #at = 0
  #elements = 0

  constructor(text: string, mostElements: number) {
    this.#text = text
    this.#mostElements = mostElements
  }

  violation(): string | undefined {
    for (let tag = this.#nextTag(); tag !== -1; tag = this.#nextTag()) {
      const why = this.#checkText(tag) ?? this.#checkMarkup(tag)
      if (why !== undefined) return why
    }
    if (this.#open.length > 0) return 'element not closed'
    if (this.#elements === 0) return 'no element'
    return this.#checkText(this.#text.length)
  }

  #nextTag(): number {
    return this.#text.indexOf('<', this.#at)
  }

  #checkText(end: number): string | undefined {
    const text = this.#text.slice(this.#at, end)
    this.#at = end
    if (this.#open.length === 0) return BLANK.test(text) ? undefined : 'text outside the root'
    if (text.includes(']]>')) return 'end of a CDATA section in text' // XML 1.0 §2.4
    return checkReferences(text)
  }

  #checkMarkup(at: number): string | undefined {
    switch (this.#text[at + 1]) {
      case '!':
        return this.#declarationKind(at)
      case '?':
        return 'processing instruction'
      case '/':
        return this.#checkEndTag()
      case undefined:
        return 'document ends in a tag'
      default:
        return this.#checkStartTag()
    }
  }

  #declarationKind(at: number): string {
    if (this.#text.startsWith('<!--', at)) return 'comment'
    return this.#text.startsWith('<![CDATA[', at) ? 'CDATA section' : 'document type declaration'
  }

  #checkEndTag(): string | undefined {
    const name = this.#match(END_TAG)?.[1]
    if (name === undefined) return 'malformed end tag'
    return this.#open.pop() === name ? undefined : 'end tag without its start tag'
  }

  #checkStartTag(): string | undefined {
    const name = this.#match(START_TAG)?.[1]
    if (name === undefined) return 'malformed element name'
    if (this.#open.length === 0 && this.#elements > 0) return 'second root element'
    if (this.#open.length === MAX_DEPTH) return 'nested too deep'
    this.#elements += 1
    if (this.#elements > this.#mostElements) return 'too many elements'
    const why = this.#checkAttributes()
    if (why !== undefined) return why
    const end = this.#match(TAG_END)
    if (end === null) return 'malformed tag'
    if (end[1] === '') this.#open.push(name)
    return undefined
  }

  #checkAttributes(): string | undefined {
    const names = new Set<string>() // ≤ MAX_ATTRIBUTES
    for (;;) {
      const match = this.#match(ATTRIBUTE)
      if (match === null) return undefined
      const [, name = '', doubleQuoted, singleQuoted] = match
      if (names.has(name)) return 'attribute given twice'
      if (names.size === MAX_ATTRIBUTES) return 'too many attributes'
      names.add(name)
      const value = doubleQuoted ?? singleQuoted ?? ''
      // XML 1.0 §3.3.3 turns these into blanks, fast-xml-parser does not.
      if (/[\t\n]/.test(value)) return 'raw tab or newline in an attribute'
      const why = checkReferences(value)
      if (why !== undefined) return why
    }
  }

  #match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at
    const match = pattern.exec(this.#text)
    if (match !== null) this.#at = pattern.lastIndex
    return match
  }
}

function checkReferences(text: string): string | undefined {
  for (let at = text.indexOf('&'); at !== -1; at = text.indexOf('&', at + 1)) {
    REFERENCE.lastIndex = at
    const match = REFERENCE.exec(text)
    if (match === null) return 'unknown entity or malformed reference'
    if (!isReferable(match)) return 'reference to a forbidden character'
  }
  return undefined
}

function isReferable([, decimal, hexadecimal]: RegExpExecArray): boolean {
  if (decimal === undefined && hexadecimal === undefined) return true
  const codePoint =
    decimal === undefined ? Number.parseInt(hexadecimal ?? '', 16) : Number.parseInt(decimal, 10)
  return codePoint <= 0x10ffff && isXmlText(String.fromCodePoint(codePoint))
}
