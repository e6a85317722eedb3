import { readFile } from 'node:fs/promises'
import { parse, TomlError } from 'smol-toml'
import { HollerError } from '../core/holler-error.ts'

/**
 * Reads a TOML file into plain values; what they mean is checked by whoever asked.
 *
 * @throws HollerError `CONFIG_INVALID` naming the file, and the line where it is not TOML.
 */
export async function readConfigFile(path: string): Promise<Record<string, unknown>> {
  const text = await readText(path)
  try {
    return parse(text)
  } catch (error) {
    if (!(error instanceof TomlError)) throw error
    const why = error.message.split('\n', 1)[0] ?? ''
    throw new HollerError('CONFIG_INVALID', `${path}:${error.line}:${error.column}: ${why}`, {
      cause: error,
    })
  }
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown reason'
    throw new HollerError('CONFIG_INVALID', `Cannot read "${path}": ${code}`, { cause: error })
  }
}
