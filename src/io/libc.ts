/**
 * Calls of the C library that Node has no names for, through koffi, which need not be installed. Linux only: the
 * numbers of options differ elsewhere, and so do the layouts of structures.
 */
import { createRequire } from 'node:module'
import type koffi from 'koffi'
import { optionalPackage } from '../core/optional-package.ts'

const require = createRequire(import.meta.url)

export interface Libc {
  /** Sets an option of four bytes. False when the kernel knows no such option, or refuses the value. */
  setOption(fd: number, level: number, option: number, value: number): boolean
}

let libc: Libc | undefined
let isLoaded = false

/** `undefined` where koffi is missing, the system is not Linux, or the process is told to do without. */
export function loadLibc(): Libc | undefined {
  if (isLoaded) return libc
  isLoaded = true
  if (process.platform === 'linux') libc = optionalPackage(bindLibc)
  return libc
}

function bindLibc(): Libc {
  const { load } = require('koffi') as typeof koffi
  const library = load(null) // what the process itself is linked with
  const setsockopt = library.func(
    'int setsockopt(int fd, int level, int option, void *value, unsigned int length)',
  ) as (fd: number, level: number, option: number, value: Uint8Array, length: number) => number
  const four = Buffer.alloc(4)
  return {
    setOption(fd, level, option, value) {
      four.writeInt32LE(value)
      return setsockopt(fd, level, option, four, four.length) === 0
    },
  }
}
