/**
 * Passwords come from a terminal without echo, from stdin or from a file: never from the command line, which every
 * user of the machine can read in the list of processes, nor from the environment, which children inherit.
 */
import { readFile } from 'node:fs/promises'
import { usageFailure } from './failure.ts'
import type { InputStream, Outside } from './outside.ts'
import { readAll, withoutFinalNewline } from './read-input.ts'

export interface PasswordSource {
  readonly passwordStdin?: boolean
  readonly passwordFile?: string
}

/** The longest password is 1024 characters; in UTF-8 that is 4 KiB, and a line's end. */
const MAX_PASSWORD_BYTES = 4 * 1024 + 2

const CTRL_C = '\u0003'
const CTRL_D = '\u0004'
const CTRL_U = '\u0015'
const ENDS = new Set(['\r', '\n', CTRL_C, CTRL_D])

/** `isNew` asks twice on a terminal, since nobody sees a slip. */
export async function readPassword(
  outside: Outside,
  source: PasswordSource,
  isNew: boolean,
): Promise<string> {
  const password = await readFrom(outside, source, isNew)
  if (password === '') throw usageFailure('The password is empty')
  return password
}

async function readFrom(outside: Outside, source: PasswordSource, isNew: boolean): Promise<string> {
  if (source.passwordStdin === true) {
    return withoutFinalNewline(await readAll(outside, MAX_PASSWORD_BYTES))
  }
  if (source.passwordFile !== undefined) return readPasswordFile(source.passwordFile)
  if (outside.stdin.isTTY !== true) {
    throw usageFailure(
      'No terminal to ask for the password: use --password-stdin or --password-file FILE',
    )
  }
  return askForPassword(outside, isNew)
}

async function readPasswordFile(path: string): Promise<string> {
  try {
    return withoutFinalNewline(await readFile(path, 'utf8'))
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw usageFailure(`Cannot read the password file "${path}": ${code ?? 'unknown reason'}`)
  }
}

async function askForPassword(outside: Outside, isNew: boolean): Promise<string> {
  const password = await askHidden(outside, 'Password: ')
  if (isNew && (await askHidden(outside, 'Again, to be sure: ')) !== password) {
    throw usageFailure('The two passwords differ')
  }
  return password
}

/** Shows a question and reads one line that is not shown. Ctrl-C ends the program as it always does. */
async function askHidden({ stdin, stderr }: Outside, question: string): Promise<string> {
  stderr.write(question)
  stdin.setRawMode?.(true)
  try {
    return await readHiddenLine(stdin)
  } finally {
    stdin.setRawMode?.(false)
    stderr.write('\n')
  }
}

async function readHiddenLine(stdin: InputStream): Promise<string> {
  return new Promise((resolve, reject) => {
    let typed = ''
    const handleData = (bytes: Buffer | string): void => {
      const keys = Array.from(bytes.toString())
      const end = keys.findIndex((key) => ENDS.has(key))
      typed = keys.slice(0, end === -1 ? keys.length : end).reduce(typeKey, typed)
      if (end === -1) return
      stdin.off('data', handleData)
      stdin.pause()
      stdin.unshift(Buffer.from(keys.slice(end + 1).join(''))) // pasted: the next question's answer
      if (keys[end] === CTRL_C) reject(new Interrupted())
      else resolve(typed)
    }
    stdin.on('data', handleData)
    stdin.resume()
  })
}

/** The user pressed Ctrl-C at a prompt: the program ends as if the signal had come. */
export class Interrupted extends Error {}

function typeKey(typed: string, key: string): string {
  if (key === '\u007f' || key === '\b') return Array.from(typed).slice(0, -1).join('')
  return key === CTRL_U ? '' : typed + key
}
