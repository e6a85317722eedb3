/**
 * The few values that a gateway's XML holds for us, out of documents that need not be XML: home routers forget
 * entities, close elements in the wrong order and use prefixes that they never declare. So this is no parser, and
 * judges nothing; it walks once through the text and gives the elements that hold text alone, in their order. What
 * it makes of nonsense is nonsense, bounded, and each value is checked by whoever uses it.
 *
 * (The server session's XML has the strict profile of `protocol/server/xml.ts`, which would refuse most of these
 * documents for their text nodes alone.)
 */

/** An element without elements in it. Names are without their prefixes. */
export interface Leaf {
  readonly name: string
  readonly text: string
  readonly parentName: string
  /** Leaves of the same parent have the same number. */
  readonly parent: number
}

/** A description of a gateway is 6 deep and has some hundred values. */
const MAX_DEPTH = 32
const MAX_LEAVES = 2048

interface Open {
  readonly name: string
  readonly number: number
  text: string
  isLeaf: boolean
}

const ENTITIES: Readonly<Record<string, string>> = {
  lt: '<',
  gt: '>',
  amp: '&',
  quot: '"',
  apos: "'",
}

export function leavesOf(document: Uint8Array): readonly Leaf[] {
  const walk = new Walk(new TextDecoder().decode(document))
  while (walk.step()) continue
  return walk.leaves
}

class Walk {
  readonly leaves: Leaf[] = [] // ≤ MAX_LEAVES
  readonly #xml: string
  readonly #open: Open[] = [] // ≤ MAX_DEPTH
  #at = 0
  #elements = 0

  constructor(xml: string) {
    this.#xml = xml
  }

  /** Up to the end of the next markup. False at the end, and where it gets too much. */
  step(): boolean {
    const start = this.#xml.indexOf('<', this.#at)
    if (start < 0 || this.leaves.length >= MAX_LEAVES || this.#open.length > MAX_DEPTH) return false
    this.#addText(unescaped(this.#xml.slice(this.#at, start)))
    this.#at = start
    if (this.#startsWith('<![CDATA['))
      return this.#skipTo(']]>', (text) => this.#addText(text.slice(9)))
    if (this.#startsWith('<!--')) return this.#skipTo('-->')
    if (this.#startsWith('<?')) return this.#skipTo('?>')
    if (this.#startsWith('<!')) return this.#skipTo('>')
    return this.#skipTo('>', (tag) => this.#handleTag(tag.slice(1)))
  }

  #startsWith(mark: string): boolean {
    return this.#xml.startsWith(mark, this.#at)
  }

  #skipTo(end: string, use: (text: string) => void = () => undefined): boolean {
    const found = this.#xml.indexOf(end, this.#at)
    if (found < 0) return false
    const text = this.#xml.slice(this.#at, found)
    this.#at = found + end.length
    use(text)
    return true
  }

  #handleTag(tag: string): void {
    if (tag.startsWith('/')) {
      this.#close(localName(tag.slice(1)))
      return
    }
    const name = localName(tag)
    const top = this.#open.at(-1)
    if (top !== undefined) top.isLeaf = false
    this.#elements += 1
    this.#open.push({ name, number: this.#elements, text: '', isLeaf: true })
    if (tag.endsWith('/')) this.#close(name)
  }

  /** Also closes what was forgotten inside; an end without a beginning is overlooked. */
  #close(name: string): void {
    const depth = this.#open.findLastIndex((element) => element.name === name)
    if (depth < 0) return
    const [closed] = this.#open.splice(depth)
    if (closed?.isLeaf !== true) return
    const parent = this.#open.at(-1)
    this.leaves.push({
      name,
      text: closed.text.trim(),
      parentName: parent?.name ?? '',
      parent: parent?.number ?? 0,
    })
  }

  #addText(text: string): void {
    const top = this.#open.at(-1)
    if (top?.isLeaf === true) top.text += text
  }
}

function localName(tag: string): string {
  const name = /^[^\s/>]*/.exec(tag)?.[0] ?? ''
  return name.slice(name.indexOf(':') + 1)
}

function unescaped(text: string): string {
  if (!text.includes('&')) return text
  return text.replace(
    /&(#\d{1,7}|#x[\da-f]{1,6}|lt|gt|amp|quot|apos);/gi,
    (reference, name: string) => {
      if (!name.startsWith('#')) return ENTITIES[name.toLowerCase()] ?? reference
      const isHex = name[1] === 'x' || name[1] === 'X'
      const code = isHex ? Number.parseInt(name.slice(2), 16) : Number(name.slice(1))
      return code <= 0x10ffff ? String.fromCodePoint(code) : reference
    },
  )
}
