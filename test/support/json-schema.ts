/**
 * As much of JSON Schema 2020-12 as our own schemas use; a keyword that is not known here is an error, so that none is
 * passed over. Stricter than the standard in one point: a property that the schema does not name is a problem, since our
 * documents and our schemas are to be equal.
 */
export interface Schema {
  readonly $ref?: string
  readonly $defs?: Readonly<Record<string, Schema>>
  readonly type?: string | readonly string[]
  readonly properties?: Readonly<Record<string, Schema>>
  readonly additionalProperties?: Schema
  readonly required?: readonly string[]
  readonly items?: Schema
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly oneOf?: readonly Schema[]
  readonly minimum?: number
  readonly maximum?: number
}

const KEYWORDS = new Set([
  ...['$schema', '$ref', '$defs', 'title', 'description', 'format', 'type', 'properties'],
  ...['additionalProperties', 'required', 'items', 'enum', 'const', 'oneOf', 'minimum', 'maximum'],
])

export class SchemaCheck {
  readonly #root: Schema
  readonly #problems: string[] = []
  readonly #seen = new Set<string>()

  constructor(root: Schema) {
    this.#root = root
  }

  /** What is wrong with a document; nothing when it fits. */
  problemsOf(document: unknown): readonly string[] {
    this.#problems.length = 0
    this.#check(document, this.#root, { at: '$', where: '#' })
    return [...this.#problems]
  }

  /** Properties of the schema, as `#/$defs/family/mtu`, that no document had so far. */
  get unseen(): readonly string[] {
    const all = [
      ...propertiesOf(this.#root, '#'),
      ...Object.entries(this.#root.$defs ?? {}).flatMap(([name, schema]) =>
        propertiesOf(schema, `#/$defs/${name}`),
      ),
    ]
    return all.filter((property) => !this.#seen.has(property))
  }

  #check(value: unknown, schema: Schema, place: Place): void {
    for (const keyword of Object.keys(schema)) {
      if (!KEYWORDS.has(keyword)) throw new Error(`${place.where}: "${keyword}" is not known here`)
    }
    const { $ref, oneOf, type } = schema
    if ($ref !== undefined) this.#check(value, this.#named($ref), { at: place.at, where: $ref })
    if (schema.enum?.includes(value) === false) this.#complain(value, 'is no value of', place)
    if ('const' in schema && schema.const !== value) this.#complain(value, 'is not that of', place)
    if (oneOf?.filter((one) => this.#fits(value, one, place)).length === 0) {
      this.#complain(value, 'is none of', place)
    }
    if (type !== undefined && ![type].flat().some((one) => isOf(value, one))) {
      this.#complain(value, `is no ${[type].flat().join(' or ')} as`, place)
    }
    if (typeof value === 'number') {
      const { minimum = -Infinity, maximum = Infinity } = schema
      if (value < minimum || value > maximum) this.#complain(value, 'is out of range of', place)
    }
    if (Array.isArray(value)) this.#checkItems(value, schema, place)
    else if (isRecord(value)) this.#checkProperties(value, schema, place)
  }

  #checkItems(values: readonly unknown[], { items }: Schema, place: Place): void {
    if (items === undefined) return
    for (const [index, item] of values.entries()) {
      this.#check(item, items, { at: `${place.at}[${index}]`, where: `${place.where}[]` })
    }
  }

  #checkProperties(value: Readonly<Record<string, unknown>>, schema: Schema, place: Place): void {
    const { properties, additionalProperties, required = [] } = schema
    if (properties === undefined && additionalProperties === undefined) return
    for (const name of required) {
      if (!(name in value)) this.#problems.push(`${place.at} lacks "${name}" (${place.where})`)
    }
    for (const [name, item] of Object.entries(value)) {
      const own = properties?.[name]
      const next = own ?? additionalProperties
      const inside = { at: `${place.at}.${name}`, where: `${place.where}/${name}` }
      if (own !== undefined) this.#seen.add(inside.where)
      if (next === undefined) this.#complain(item, 'is not in', inside)
      else this.#check(item, next, inside)
    }
  }

  #fits(value: unknown, schema: Schema, place: Place): boolean {
    const before = this.#problems.length
    this.#check(value, schema, place)
    return this.#problems.splice(before).length === 0
  }

  #named(reference: string): Schema {
    const found = this.#root.$defs?.[reference.replace('#/$defs/', '')]
    if (found === undefined) throw new Error(`There is no ${reference}`)
    return found
  }

  #complain(value: unknown, what: string, { at, where }: Place): void {
    this.#problems.push(`${at}: ${JSON.stringify(value)} ${what} ${where}`)
  }
}

interface Place {
  /** In the document. */
  readonly at: string
  /** In the schema. */
  readonly where: string
}

function propertiesOf(schema: Schema, where: string): readonly string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, own]) => [
    `${where}/${name}`,
    ...propertiesOf(own, `${where}/${name}`),
  ])
}

function isOf(value: unknown, type: string): boolean {
  switch (type) {
    case 'null':
      return value === null
    case 'integer':
      return Number.isInteger(value)
    case 'array':
      return Array.isArray(value)
    case 'object':
      return isRecord(value)
    default:
      return typeof value === type
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
