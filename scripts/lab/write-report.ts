/** Run by `npm run lab -- --report`: reads the results' file, writes the page. Arguments: both paths. */
import { readFileSync, writeFileSync } from 'node:fs'
import { cpus, release } from 'node:os'
import { type LabResult, renderReport } from './report.ts'

const [results = '', page = ''] = process.argv.slice(2)
const lines = readFileSync(results, 'utf8')
  .split('\n')
  .filter((line) => line !== '')
const [cpu] = cpus()
const text = renderReport(
  lines.map((line) => JSON.parse(line) as LabResult),
  {
    command: 'npm run lab -- --report',
    date: new Date().toISOString().slice(0, 10),
    machine: `${cpus().length} cores (${cpu?.model.trim() ?? 'unknown'}), Node ${process.version}, Linux ${release()}`,
  },
)
writeFileSync(page, text)
