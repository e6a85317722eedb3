import type { Readable, Writable } from 'node:stream'

/** What a command may touch of the world around its process. Tests hand in streams of their own. */
export interface Outside {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly stdin: InputStream
  readonly stdout: OutputStream
  readonly stderr: OutputStream
}

export type InputStream = Readable & {
  readonly isTTY?: boolean
  /** Terminals only: keys arrive one by one and are not shown. */
  setRawMode?(isRaw: boolean): unknown
}

export type OutputStream = Writable & { readonly isTTY?: boolean }

export function processOutside(): Outside {
  const { env, stdin, stdout, stderr } = process
  return { env, stdin, stdout, stderr }
}
