/** What was measured, for the report: one JSON object a line, in the file that `npm run lab -- --report` names. */
import { appendFileSync } from 'node:fs'
import { loadavg } from 'node:os'
import type { LabResult } from '../../scripts/lab/report.ts'

const file = process.env['LAB_RESULTS']

export function record(result: LabResult): void {
  if (file === undefined) return
  const [load] = loadavg()
  appendFileSync(file, `${JSON.stringify({ ...result, load })}\n`)
}
