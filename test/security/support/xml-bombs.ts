/**
 * Documents that blow up, exhaust or confuse XML tools, each of a kind in several sizes and places: together with the
 * refused documents of the profile's own test a few hundred. None is well-formed within the profile, so the server owes
 * each the same: to hang up before anything is built of it.
 */
import { refusedDocuments } from '../../protocol/support/refused-documents.ts'

export interface Bomb {
  readonly name: string
  readonly bytes: Uint8Array
}

/** Just fits a frame before the login, a typical one, and just fits a frame after it. */
const SIZES = [200, 3_900, 60_000] as const

/** What scripting languages keep behind names. */
const MAGIC_NAMES = [
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'valueOf',
  'hasOwnProperty',
  'isPrototypeOf',
  '__defineGetter__',
  '__lookupSetter__',
]

type Maker = readonly [name: string, make: (size: number) => string | Buffer]

function repeatTo(size: number, unit: string): string {
  return unit.repeat(Math.max(2, Math.floor(size / unit.length)))
}

/** `count` definitions of which each names the one before it `fan` times. */
function laughs(count: number, fan: number): string {
  const definitions = Array.from({ length: count }, (_, n) =>
    n === 0 ? '<!ENTITY e0 "ha">' : `<!ENTITY e${n} "${`&e${n - 1};`.repeat(fan)}">`,
  )
  return `<!DOCTYPE ping [${definitions.join('')}]><ping id="&e${count - 1};"/>`
}

const entities: readonly Maker[] = [
  ['entities of entities, narrow and deep', (size) => laughs(Math.max(2, size / 40), 2)],
  ['entities of entities, wide', (size) => laughs(3, Math.max(2, size / 20))],
  [
    'an entity of itself',
    (size) => `<!DOCTYPE a [<!ENTITY x "${repeatTo(size, '&x;')}">]><a b="&x;"/>`,
  ],
  [
    'one long entity, many times',
    (size) =>
      `<!DOCTYPE a [<!ENTITY x "${repeatTo(size / 2, 'x')}">]><a>${repeatTo(size / 2, '&x;')}</a>`,
  ],
  [
    'parameter entities',
    (size) => `<!DOCTYPE a [${repeatTo(size, '<!ENTITY % p "<!ENTITY q \'r\'>"> %p;')}]><a/>`,
  ],
  [
    'external entities by the dozen',
    (size) =>
      `<!DOCTYPE a [${repeatTo(size, '<!ENTITY x SYSTEM "http://127.0.0.1:1/x">')}]><a>&x;</a>`,
  ],
  [
    'entities that nobody defined',
    (size) => `<ping id="1">${repeatTo(size, '&undefined;')}</ping>`,
  ],
  ['numeric references to NUL', (size) => `<ping id="1">${repeatTo(size, '&#0;')}</ping>`],
  ['numeric references beyond Unicode', (size) => `<ping id="${repeatTo(size, '&#x7fffffff;')}"/>`],
  ['references with leading zeros', (size) => `<ping id="&#${'0'.repeat(size)}65;"/>`],
  ['a reference without an end', (size) => `<ping id="&#${'1'.repeat(size)}`],
  ['ampersands', (size) => `<ping id="1">${repeatTo(size, '&')}</ping>`],
]

const shapes: readonly Maker[] = [
  ['levels that never end', (size) => repeatTo(size, '<a>')],
  ['levels that end', (size) => `${repeatTo(size / 2, '<a>')}${repeatTo(size / 2, '</a>')}`],
  ['end tags alone', (size) => repeatTo(size, '</a>')],
  ['levels inside a message of ours', (size) => `<send id="1">${repeatTo(size, '<x>')}</send>`],
  ['roots', (size) => repeatTo(size, '<a/>')],
  [
    'attributes',
    (size) =>
      `<a${Array.from({ length: Math.max(17, size / 8) }, (_, n) => ` b${n}="c"`).join('')}/>`,
  ],
  ['the same attribute', (size) => `<a${repeatTo(size, ' b="c"')}/>`],
  ['a name without an end', (size) => `<${'a'.repeat(size)}`],
  ['a long element name', (size) => `<${'a'.repeat(size)}/>`],
  ['a long attribute name', (size) => `<ping ${'a'.repeat(size)}="1"/>`],
  ['an attribute without an end', (size) => `<ping id="${'1'.repeat(size)}`],
  ['an attribute that holds tags', (size) => `<ping id="${repeatTo(size, '<')}"/>`],
  ['blanks in a tag, never closed', (size) => `<ping${' '.repeat(size)}`],
  ['equals signs', (size) => `<ping id${repeatTo(size, '=')}"1"/>`],
  ['quotation marks', (size) => `<ping id=${repeatTo(size, '"')}/>`],
  ['angle brackets', (size) => repeatTo(size, '<')],
  ['closing angle brackets', (size) => repeatTo(size, '>')],
  [
    'namespaces',
    (size) => `<a${Array.from({ length: size / 14 }, (_, n) => ` xmlns:n${n}="u"`).join('')}/>`,
  ],
]

const constructs: readonly Maker[] = [
  ['comments', (size) => `<ping id="1">${repeatTo(size, '<!---->')}</ping>`],
  ['a comment of dashes', (size) => `<ping id="1"><!--${repeatTo(size, '- -')}`],
  ['comments before the root', (size) => `${repeatTo(size, '<!--x-->')}<ping id="1"/>`],
  ['CDATA sections', (size) => `<ping id="1">${repeatTo(size, '<![CDATA[]]>')}</ping>`],
  ['a CDATA section of brackets', (size) => `<ping id="1"><![CDATA[${repeatTo(size, ']]')}`],
  ['processing instructions', (size) => `<ping id="1">${repeatTo(size, '<?x y?>')}</ping>`],
  ['declarations', (size) => `${repeatTo(size, '<?xml version="1.0"?>')}<ping id="1"/>`],
  ['document types', (size) => `${repeatTo(size, '<!DOCTYPE a>')}<a/>`],
  [
    'an internal subset without an end',
    (size) => `<!DOCTYPE a [${repeatTo(size, '<!ELEMENT a ANY>')}`,
  ],
  [
    'attribute defaults',
    (size) => `<!DOCTYPE a [<!ATTLIST a ${repeatTo(size, 'b CDATA "c" ')}>]><a/>`,
  ],
  ['conditional sections', (size) => `<a>${repeatTo(size, '<![INCLUDE[')}</a>`],
]

const encodings: readonly Maker[] = [
  ['UTF-16', (size) => Buffer.from(`<ping id="${'1'.repeat(size / 2)}"/>`, 'utf16le')],
  ['UTF-32', (size) => Buffer.concat([Buffer.alloc(size & ~3, '<\0\0\0a\0\0\0>\0\0\0')])],
  ['UTF-7', (size) => `<?xml version="1.0" encoding="UTF-7"?>${repeatTo(size, '+ADw-a+AD4-')}`],
  [
    'overlong slashes',
    (size) => Buffer.concat([Buffer.from('<a b="'), Buffer.alloc(size & ~1, 'c0af', 'hex')]),
  ],
  [
    'lone surrogates',
    (size) =>
      Buffer.concat([Buffer.from('<a b="'), Buffer.alloc(size - (size % 3), 'eda080', 'hex')]),
  ],
  ['continuation bytes', (size) => Buffer.alloc(size, 0x80)],
  ['NUL', (size) => Buffer.alloc(size)],
  ['0xff', (size) => Buffer.alloc(size, 0xff)],
  ['escape sequences', (size) => `<ping id="1">${repeatTo(size, '\u001b]0;x\u0007')}</ping>`],
  ['byte order marks', (size) => repeatTo(size, '\ufeff')],
  ['noncharacters', (size) => `<ping id="1">${repeatTo(size, '\uffff')}</ping>`],
]

function magicDocuments(name: string): readonly (readonly [string, string])[] {
  return [
    [`the name ${name} as the root`, `<${name}/>`],
    [
      `the name ${name} as an attribute`,
      `<set-presence id="1" state="online" ${name}="x"><${name}></set-presence>`,
    ],
    [`the name ${name} as an entity`, `<ping id="&${name};"/>`],
    [`the name ${name} as an end tag`, `<ping id="1"></${name}>`],
  ]
}

/** Every bomb there is; what does not fit a frame before the login is refused there for its length alone. */
export function xmlBombs(): readonly Bomb[] {
  const made = [...entities, ...shapes, ...constructs, ...encodings].flatMap(([name, make]) =>
    SIZES.map((size) => ({ name: `${name} (${size} bytes)`, bytes: Buffer.from(make(size)) })),
  )
  const magic = MAGIC_NAMES.flatMap(magicDocuments).map(([name, text]) => ({
    name,
    bytes: Buffer.from(text),
  }))
  return [...made, ...magic, ...refusedDocuments]
}
