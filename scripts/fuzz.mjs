/**
 * `npm run fuzz -- NAME`: seeded mutation fuzzers of every decoder. What it does is in `fuzz/main.ts`, which is
 * TypeScript and so comes after the installation.
 */
import { ensureInstalled } from './bootstrap.mjs'

ensureInstalled()
await import('tsx/esm')
await import('./fuzz/main.ts')
