import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { filteringValues, mappingValues } from '../../src/natprobe/finding.ts'
import { refreshers } from '../../src/natprobe/lifetime-judgement.ts'
import { portMappingValues } from '../../src/natprobe/outside.ts'
import { allocationKinds } from '../../src/natprobe/port-allocation.ts'
import { askedKinds } from '../../src/natprobe/question.ts'
import { classicTypes, verdicts } from '../../src/natprobe/verdict.ts'
import { strategyKinds } from '../../src/traversal/strategy.ts'
import { type Schema, SchemaCheck } from '../support/json-schema.ts'
import { sampleReports } from './sample-reports.ts'

const file = new URL('../../docs/natprobe.schema.json', import.meta.url)
const schema = JSON.parse(readFileSync(file, 'utf8')) as Schema

/** Of servers that refuse a question: ours refuses none of natprobe's. */
const ELSEWHERE = ['#/$defs/evidence/errorCode']

describe('docs/natprobe.schema.json', () => {
  it('and what is printed are equal: no report has more, and all together have every property', () => {
    const check = new SchemaCheck(schema)
    for (const report of sampleReports()) {
      assert.deepEqual(check.problemsOf(JSON.parse(JSON.stringify(report))), [])
    }

    assert.deepEqual(
      check.unseen.filter((property) => !ELSEWHERE.includes(property)),
      [],
    )
  })

  it('names every value that the code can say', () => {
    const values = (name: string, property?: string): readonly unknown[] | undefined => {
      const found = schema.$defs?.[name]
      return (property === undefined ? found : found?.properties?.[property])?.enum
    }

    assert.deepEqual(values('verdict'), verdicts)
    assert.deepEqual(values('mappingValue'), mappingValues)
    assert.deepEqual(values('filteringValue'), filteringValues)
    assert.deepEqual(values('classicType'), classicTypes)
    assert.deepEqual(values('lifetime', 'refreshedBy'), refreshers)
    assert.deepEqual(values('evidence', 'asked'), askedKinds)
    assert.deepEqual(values('allocation', 'kind'), allocationKinds)
    assert.deepEqual(values('mappedBy', 'value'), portMappingValues)
    assert.deepEqual(values('peer', 'strategy'), [...strategyKinds, 'relay'])
  })

  it('refuses what is not in it', () => {
    const check = new SchemaCheck(schema)
    const [report] = sampleReports()
    assert.ok(report !== undefined)
    const without = Object.fromEntries(
      Object.entries(report).filter(([name]) => name !== 'servers'),
    )

    assert.match(check.problemsOf({ ...report, verdict: 'fine' }).join(), /verdict.*no value of/)
    assert.match(check.problemsOf({ ...report, extra: 1 }).join(), /extra: 1 is not in/)
    assert.match(check.problemsOf({ ...report, tookMs: 1.5 }).join(), /no integer/)
    assert.match(check.problemsOf(without).join(), /lacks "servers"/)
  })
})
