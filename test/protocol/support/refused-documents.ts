/** Documents that must be refused, each with the reason. What they have in common: some XML tool somewhere takes them. */

export interface RefusedDocument {
  readonly name: string
  readonly bytes: Uint8Array
  readonly why: string
}

const COMMENT = 'comment'
const CDATA = 'CDATA section'
const DOCTYPE = 'document type declaration'
const PI = 'processing instruction'
const FORBIDDEN = 'forbidden character'
const REFERENCE = 'unknown entity or malformed reference'
const BAD_REFERENCE = 'reference to a forbidden character'
const NAME = 'malformed element name'
const TAG = 'malformed tag'
const NOT_UTF8 = 'not UTF-8'
const OUTSIDE = 'text outside the root'
const UNCLOSED = 'element not closed'
const END_TAG = 'malformed end tag'
const STRAY_END = 'end tag without its start tag'
const SECOND_ROOT = 'second root element'

function text(name: string, document: string, why: string): RefusedDocument {
  return { name, bytes: Buffer.from(document), why }
}

function binary(
  name: string,
  parts: readonly (string | readonly number[])[],
  why: string,
): RefusedDocument {
  const buffers = parts.map((part) =>
    typeof part === 'string' ? Buffer.from(part) : Buffer.from(part),
  )
  return { name, bytes: Buffer.concat(buffers), why }
}

const billionLaughs = `<!DOCTYPE ping [<!ENTITY a "lol">${Array.from('bcdefghij')
  .map((name, index) => `<!ENTITY ${name} "${`&${'abcdefghi'.charAt(index)};`.repeat(10)}">`)
  .join('')}]><ping id="&j;"/>`

const quadraticBlowup = `<!DOCTYPE ping [<!ENTITY a "${'a'.repeat(30_000)}">]><ping id="${'&a;'.repeat(10_000)}"/>`

const seventeenAttributes = Array.from({ length: 17 }, (_, index) => ` a${index}="1"`).join('')

export const refusedDocuments: readonly RefusedDocument[] = [
  // nothing, or not one document
  text('nothing at all', '', 'no element'),
  text('only blanks', ' \n\t ', 'no element'),
  text('only text', 'ping', 'no element'),
  text('text before the root', 'x<ping id="1"/>', OUTSIDE),
  text('text after the root', '<ping id="1"/>x', OUTSIDE),
  text('a reference outside the root', '&amp;<ping id="1"/>', OUTSIDE),
  text('two roots', '<ping id="1"/><ping id="2"/>', SECOND_ROOT),
  text('two roots with end tags', '<ping id="1"></ping><logout id="2"></logout>', SECOND_ROOT),
  text('a thousand roots', '<a/>'.repeat(1000), SECOND_ROOT),

  // truncated, and badly nested
  text('an element without end', '<ping id="1">', UNCLOSED),
  text('an inner element without end', '<introduce><candidate></introduce>', STRAY_END),
  text('an outer element without end', '<introduce><candidate/>', UNCLOSED),
  text('only an end tag', '</ping>', STRAY_END),
  text('another end tag', '<ping></pong>', STRAY_END),
  text('one end tag too many', '<ping></ping></ping>', STRAY_END),
  text('overlapping elements', '<a><b></a></b>', STRAY_END),
  text('a lonely angle bracket', '<', 'document ends in a tag'),
  text('cut in a name', '<pin', TAG),
  text('cut in an attribute name', '<ping i', TAG),
  text('cut in an attribute value', '<ping id="1', TAG),
  text('cut before the end', '<ping id="1"', TAG),
  text('cut in an end tag', '<ping></pin', END_TAG),
  text('an end tag with an attribute', '<ping></ping id="1">', END_TAG),

  // depth and width
  text('nine levels', `${'<a>'.repeat(9)}${'</a>'.repeat(9)}`, 'nested too deep'),
  text(
    'nine levels, the last one empty',
    `${'<a>'.repeat(8)}<a/>${'</a>'.repeat(8)}`,
    'nested too deep',
  ),
  text('ten thousand levels, never closed', '<a>'.repeat(10_000), 'nested too deep'),
  text('513 elements', `<a>${'<b/>'.repeat(512)}</a>`, 'too many elements'),
  text('as many elements as fit', `<a>${'<b/>'.repeat(16_000)}</a>`, 'too many elements'),
  text(
    'distinct siblings by the thousand',
    `<a>${Array.from({ length: 5000 }, (_, i) => `<b${i}/>`).join('')}</a>`,
    'too many elements',
  ),
  text('seventeen attributes', `<ping${seventeenAttributes}/>`, 'too many attributes'),
  text('the same attribute twice', '<ping id="1" id="2"/>', 'attribute given twice'),
  text(
    'a document of more than 96 KiB',
    `<ping id="1"/>${' '.repeat(98_304)}`,
    'document too long',
  ),
  text(
    'an attribute of more than 96 KiB',
    `<ping id="${'1'.repeat(98_304)}"/>`,
    'document too long',
  ),
  text('a name of 65 characters', `<${'a'.repeat(65)}/>`, TAG),
  text('an attribute name of 65 characters', `<ping ${'a'.repeat(65)}="1"/>`, TAG),

  // what the profile leaves out
  text('a DOCTYPE', '<!DOCTYPE ping><ping id="1"/>', DOCTYPE),
  text('a DOCTYPE in lower case', '<!doctype ping><ping id="1"/>', DOCTYPE),
  text('a DOCTYPE after the root', '<ping id="1"/><!DOCTYPE ping>', DOCTYPE),
  text('a DOCTYPE within the root', '<ping id="1"><!DOCTYPE ping></ping>', DOCTYPE),
  text('an external DTD', '<!DOCTYPE ping SYSTEM "http://192.0.2.1/x.dtd"><ping id="1"/>', DOCTYPE),
  text(
    'an external entity',
    '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a b="&x;"/>',
    DOCTYPE,
  ),
  text('a parameter entity', '<!DOCTYPE a [<!ENTITY % x "y"> %x;]><a/>', DOCTYPE),
  text('a billion laughs', billionLaughs, DOCTYPE),
  text('a quadratic blow-up', quadraticBlowup, DOCTYPE),
  text('a DOCTYPE without end', '<!DOCTYPE ping [', DOCTYPE),
  text('a conditional section', '<a><![INCLUDE[x]]></a>', DOCTYPE),
  text('an XML declaration', '<?xml version="1.0"?><ping id="1"/>', PI),
  text(
    'a declaration of another encoding',
    '<?xml version="1.0" encoding="UTF-7"?><ping id="1"/>',
    PI,
  ),
  text('a declaration of XML 1.1', '<?xml version="1.1"?><ping id="1"/>', PI),
  text('a processing instruction', '<ping id="1"><?php evil() ?></ping>', PI),
  text('a style sheet', '<?xml-stylesheet href="http://192.0.2.1/"?><ping id="1"/>', PI),
  text('a comment before the root', '<!-- x --><ping id="1"/>', COMMENT),
  text('a comment within the root', '<ping id="1"><!-- x --></ping>', COMMENT),
  text('a comment without end', '<ping id="1"><!-- x', COMMENT),
  text('a comment with dashes', '<ping id="1"><!-- -- --></ping>', COMMENT),
  text('a CDATA section', '<ping id="1"><![CDATA[x]]></ping>', CDATA),
  text('a CDATA section without end', '<ping id="1"><![CDATA[x', CDATA),
  text('the end of a CDATA section', '<ping id="1">]]></ping>', 'end of a CDATA section in text'),

  // entities and references
  text('an entity of HTML', '<ping id="&nbsp;"/>', REFERENCE),
  text('an entity without end', '<ping id="&lt"/>', REFERENCE),
  text('a bare ampersand', '<ping id="a & b"/>', REFERENCE),
  text('a bare ampersand in text', '<ping id="1">a & b</ping>', REFERENCE),
  text('an empty reference', '<ping id="&;"/>', REFERENCE),
  text('an empty numeric reference', '<ping id="&#;"/>', REFERENCE),
  text('a hexadecimal reference with X', '<ping id="&#X41;"/>', REFERENCE),
  text('a negative reference', '<ping id="&#-1;"/>', REFERENCE),
  text('an entity in upper case', '<ping id="&AMP;"/>', REFERENCE),
  text('a reference with a name of ours', '<ping id="&__proto__;"/>', REFERENCE),
  text('a reference of eight digits', '<ping id="&#00000065;"/>', REFERENCE),
  text('NUL by reference', '<ping id="&#0;"/>', BAD_REFERENCE),
  text('NUL by a hexadecimal reference', '<ping id="&#x0;"/>', BAD_REFERENCE),
  text('a bell by reference', '<ping id="&#7;"/>', BAD_REFERENCE),
  text('a surrogate by reference', '<ping id="&#xD800;"/>', BAD_REFERENCE),
  text('U+FFFE by reference', '<ping id="&#xFFFE;"/>', BAD_REFERENCE),
  text('beyond Unicode by reference', '<ping id="&#x110000;"/>', BAD_REFERENCE),
  text('a huge number by reference', '<ping id="&#9999999;"/>', BAD_REFERENCE),

  // characters
  text('NUL', '<ping id="\0"/>', FORBIDDEN),
  text('NUL between elements', '<a>\0</a>', FORBIDDEN),
  text('an escape sequence', '<ping id="\u001b[31m"/>', FORBIDDEN),
  text('a form feed', '<ping\fid="1"/>', FORBIDDEN),
  text('DEL', '<ping id="\u007f"/>', FORBIDDEN),
  text('a control character of C1', '<ping id="\u009b31m"/>', FORBIDDEN),
  text('U+FFFE', '<ping id="\ufffe"/>', FORBIDDEN),
  text('U+FFFF', '<ping id="\uffff"/>', FORBIDDEN),
  text('a carriage return', '<ping id="1"\r\n/>', 'raw carriage return'),
  text('a carriage return in an attribute', '<ping id="\r"/>', 'raw carriage return'),
  text('a carriage return after the root', '<ping id="1"/>\r\n', 'raw carriage return'),
  text('a newline in an attribute', '<ping id="1\n"/>', 'raw tab or newline in an attribute'),
  text('a tab in an attribute', '<ping id="\t1"/>', 'raw tab or newline in an attribute'),
  text('a byte order mark', '\ufeff<ping id="1"/>', OUTSIDE),

  // bytes
  binary('a lone high surrogate', ['<ping id="', [0xed, 0xa0, 0x80], '"/>'], NOT_UTF8),
  binary(
    'a surrogate pair in CESU-8',
    ['<a b="', [0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80], '"/>'],
    NOT_UTF8,
  ),
  binary('an overlong angle bracket', [[0xc0, 0xbc], 'ping id="1"/>'], NOT_UTF8),
  binary('an overlong NUL', ['<ping id="', [0xc0, 0x80], '"/>'], NOT_UTF8),
  binary('an overlong quotation mark', ['<ping id="', [0xe0, 0x80, 0xa2], '"/>'], NOT_UTF8),
  binary('beyond U+10FFFF', ['<ping id="', [0xf4, 0x90, 0x80, 0x80], '"/>'], NOT_UTF8),
  binary('a stray continuation byte', ['<ping id="', [0x80], '"/>'], NOT_UTF8),
  binary('a cut sequence', ['<ping id="1"/>', [0xe2, 0x82]], NOT_UTF8),
  binary('Latin-1', ['<ping id="', [0xe9], '"/>'], NOT_UTF8),
  { name: 'UTF-16', bytes: Buffer.from('\ufeff<ping id="1"/>', 'utf16le'), why: NOT_UTF8 },
  { name: 'UTF-16 without a mark', bytes: Buffer.from('<ping/>', 'utf16le'), why: FORBIDDEN },

  // names and attributes
  text('__proto__ as an element', '<__proto__ id="1"/>', NAME),
  text('__proto__ as an attribute', '<ping __proto__="1"/>', TAG),
  text('constructor as an element', '<constructor/>', 'not well-formed XML'),
  text('prototype as a child', '<ping><prototype/></ping>', 'not well-formed XML'),
  text('toString as an element', '<toString/>', TAG),
  text('hasOwnProperty as an attribute', '<ping hasOwnProperty="1"/>', TAG),
  text('a namespace', '<x:ping xmlns:x="y" id="1"/>', TAG),
  text('a namespace on an attribute', '<ping x:id="1"/>', TAG),
  text('upper case', '<PING id="1"/>', NAME),
  text('a name that begins with a digit', '<1ping/>', NAME),
  text('a name beyond ASCII', '<pïng/>', TAG),
  text('a blank before the name', '< ping/>', NAME),
  text('no name', '<>', NAME),
  text('an attribute without value', '<ping id/>', TAG),
  text('an attribute without quotes', '<ping id=1/>', TAG),
  text('quotes that do not match', `<ping id="1'/>`, TAG),
  text('attributes without a blank between', '<ping id="1"to="2"/>', TAG),
  text('an angle bracket in an attribute', '<ping id="<"/>', TAG),
  text('a name that injects an element', '<ping id="1"><evil</ping>', TAG),
  text('a slash in the wrong place', '<ping / id="1">', TAG),
  text('a blank after the slash', '<ping id="1"/ >', TAG),
]
