/** Run by `npm run lab -- --report`: reads the results' file, writes the page. Arguments: both paths, and what was run. */
import { readFileSync, writeFileSync } from 'node:fs'
import { cpus, release } from 'node:os'
import { type RecordedResult, renderReport } from './report.ts'

const [results = '', page = '', command = ''] = process.argv.slice(2)
const lines = readFileSync(results, 'utf8')
  .split('\n')
  .filter((line) => line !== '')
const [cpu] = cpus()
const text = renderReport(
  lines.map((line) => JSON.parse(line) as RecordedResult),
  {
    command,
    date: new Date().toISOString().slice(0, 10),
    machine: `${cpus().length} cores (${cpu?.model.trim() ?? 'unknown'}), Node ${process.version}, Linux ${release()}`,
    cores: cpus().length,
  },
)
writeFileSync(page, text)
