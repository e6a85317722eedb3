import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'mocha'
import { controlErrors } from '../../../src/protocol/control/errors.ts'
import { eventTypes, type Method, methods } from '../../../src/protocol/control/schema.ts'

const page = readFileSync(new URL('../../../docs/protocol/control.md', import.meta.url), 'utf8')
const examples = new Map(
  [...page.matchAll(/^### `([a-zA-Z.]+)`\n(?:(?!^###)[^])*?```json\n([^]*?)```/gm)].map(
    ([, method = '', lines = '']) => [method, lines.trim().split('\n')],
  ),
)
const names = Object.keys(methods) as Method[]

function firstCells(section: string): readonly string[] {
  const rows = page.split(/^## /m).find((part) => part.startsWith(section)) ?? ''
  return [...rows.matchAll(/^\| ([^|]+)\|/gm)].flatMap(([, cell = '']) =>
    [...cell.matchAll(/`([a-z_.]+)`/g)].map(([, name = '']) => name),
  )
}

describe('docs/protocol/control.md', () => {
  it('shows an example of each method, and of no other', () => {
    assert.deepEqual([...examples.keys()].sort(), [...names].sort())
  })

  for (const name of names) {
    it(`shows ${name} as the schema has it`, () => {
      const [request = '', answer = ''] = examples.get(name) ?? []
      const { method, params, id } = JSON.parse(request) as Record<string, unknown>
      const answered = JSON.parse(answer) as Record<string, unknown>

      assert.equal(method, name)
      assert.equal(answered['id'], id)
      methods[name].params.parse(params ?? {})
      methods[name].result.parse(answered['result'])
    })
  }

  it('lists every event', () => {
    const listed = firstCells('Events')

    assert.deepEqual(listed, [...eventTypes.durable, ...eventTypes.ephemeral])
  })

  it('lists every kind of error', () => {
    assert.deepEqual([...firstCells('Errors')].sort(), Object.keys(controlErrors).sort())
  })
})
