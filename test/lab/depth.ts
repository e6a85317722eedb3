/** How deep the laboratory digs: `npm run lab` a cross-section, `-- --all` and `-- --report` everything. */
export const isThorough = process.env['LAB_DEPTH'] === 'all'
