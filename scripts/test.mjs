/**
 * `npm test`: installs and builds where needed, then every test that needs no root: unit, property, simulation and
 * contract tests, then end to end. The last line of the output is `N passed, N failed, N skipped`.
 */
import { ensureBuilt, ensureInstalled } from './bootstrap.mjs'
import { runSuites } from './suites.mjs'

ensureInstalled()
ensureBuilt() // the end-to-end tests run the programs of dist/
await runSuites(['.mocharc.unit.json', '.mocharc.e2e.json'], process.argv.slice(2))
