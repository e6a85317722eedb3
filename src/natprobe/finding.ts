import type { Evidence } from './question.ts'

/** What a test found out, how sure that is (0 to 1), and what it rests on. A value that was not tested is absent. */
export interface Finding<Value> {
  readonly value: Value
  readonly confidence: number
  readonly evidence: readonly Evidence[]
  /** Why the value is not known, or how it must be read: sentences for people. */
  readonly notes?: readonly string[]
}

/** RFC 4787 §4.1. `eim-or-adm`: one server address cannot tell those two apart. `none`: no NAT. */
export const mappingValues = [
  'endpoint-independent',
  'address-dependent',
  'address-and-port-dependent',
  'eim-or-adm',
  'none',
  'unknown',
] as const

export type MappingValue = (typeof mappingValues)[number]

/** RFC 4787 §5. */
export const filteringValues = [
  'endpoint-independent',
  'address-dependent',
  'address-and-port-dependent',
  'unknown',
] as const

export type FilteringValue = (typeof filteringValues)[number]

/** A judgement without its evidence, as the classifiers return it. */
export interface Judgement<Value> {
  readonly value: Value
  readonly confidence: number
  readonly notes: readonly string[]
}

export function judged<Value>(
  value: Value,
  confidence: number,
  ...notes: readonly string[]
): Judgement<Value> {
  return { value, confidence, notes }
}

export function unknown(...notes: readonly string[]): Judgement<'unknown'> {
  return { value: 'unknown', confidence: 0, notes }
}
