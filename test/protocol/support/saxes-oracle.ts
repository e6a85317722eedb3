import { SaxesParser } from 'saxes'
import type { XmlElement } from '../../../src/protocol/server/xml.ts'

/** What an independent, strict XML parser makes of a document. Throws where it is not well-formed. */
export function readWithSaxes(document: string): XmlElement {
  const roots: XmlElement[] = []
  const open: { element: XmlElement; children: XmlElement[] }[] = []
  const parser = new SaxesParser()
  parser.on('error', (error) => {
    throw error
  })
  parser.on('opentag', ({ name, attributes }) => {
    const children: XmlElement[] = []
    const element = { name, attributes: new Map(Object.entries(attributes)), children }
    const siblings = open.at(-1)?.children ?? roots
    siblings.push(element)
    open.push({ element, children })
  })
  parser.on('closetag', () => {
    open.pop()
  })
  parser.write(document).close()
  const [root] = roots
  if (root === undefined) throw new Error('no root')
  return root
}
