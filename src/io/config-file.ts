/** Configuration files: flat TOML, whose faults are told with file, line and column, as a compiler would. */
import { readFile } from 'node:fs/promises'
import { parse, TomlError } from 'smol-toml'
import { closestWord } from '../core/closest-word.ts'
import { HollerError } from '../core/holler-error.ts'

/** Ours have some dozen lines; what is longer is another file. */
const MAX_CONFIG_CHARS = 1_000_000

/** A file that has been read; what its values mean is checked by whoever asked for it. */
export class ConfigFile {
  readonly path: string
  readonly values: Readonly<Record<string, unknown>>
  readonly #text: string

  constructor(path: string, text: string, values: Readonly<Record<string, unknown>>) {
    this.path = path
    this.values = values
    this.#text = text
  }

  /** Where a key is: `FILE:LINE:COLUMN`. */
  at(key: string): string {
    // Keys stand at the beginning of a line; `parse` has seen already that it is TOML, and no key is there twice.
    const name = key.replace(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)
    const isKey = new RegExp(String.raw`^\s*\[*\s*(?:${name}|"${name}"|'${name}')\s*[=.\]]`)
    const lines = this.#text.split('\n')
    const index = lines.findIndex((line) => isKey.test(line))
    if (index === -1) return this.path
    const column = (lines[index]?.search(/[^\s[]/) ?? 0) + 1
    return `${this.path}:${index + 1}:${column}`
  }

  /** The value of a key is not one that it can have; `why` says what is. */
  fault(key: string, why: string): HollerError {
    return new HollerError('CONFIG_INVALID', `${this.at(key)}: "${key}": ${why}`)
  }

  /** A key that there is not is a fault, too: it is a typing error that would go unnoticed for months. */
  unknownKey(key: string, keys: readonly string[]): HollerError {
    const meant = closestWord(key, keys)
    const hint = meant === undefined ? `there are ${keys.join(', ')}` : `did you mean "${meant}"?`
    return this.fault(key, `no such setting; ${hint}`)
  }
}

/** @throws HollerError `CONFIG_INVALID` naming the file, and line and column where it is not TOML. */
export async function readConfigFile(path: string): Promise<ConfigFile> {
  const text = await readText(path)
  if (text.length > MAX_CONFIG_CHARS) {
    throw new HollerError('CONFIG_INVALID', `${path}: too long for a configuration file`)
  }
  try {
    return new ConfigFile(path, text, parse(text))
  } catch (error) {
    if (!(error instanceof TomlError)) throw error
    const why = error.message.split('\n', 1)[0] ?? ''
    throw new HollerError('CONFIG_INVALID', `${path}:${error.line}:${error.column}: ${why}`, {
      cause: error,
    })
  }
}

/** The same, for a file that need not be there. @throws HollerError `CONFIG_INVALID` as above. */
export async function readConfigFileIfThere(path: string): Promise<ConfigFile | undefined> {
  try {
    return await readConfigFile(path)
  } catch (error) {
    const { cause } = error as Error
    if ((cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT') return undefined
    throw error
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
