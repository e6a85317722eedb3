/** How deep the laboratory digs: `npm run lab` a cross-section, `-- --all` everything. `--report` only writes down. */
export const isThorough = process.env['LAB_DEPTH'] === 'all'
