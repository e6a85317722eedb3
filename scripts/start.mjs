/**
 * `npm start`: a playground on this machine, from a fresh clone to two people talking. What it does is in
 * `start/main.ts`, which is TypeScript and so comes after the installation.
 */
import { ensureBuilt, ensureInstalled } from './bootstrap.mjs'

ensureInstalled()
ensureBuilt()
await import('tsx/esm')
await import('./start/main.ts')
