import type { Outside } from './outside.ts'
import { CommandFailure } from './failure.ts'

/** All of stdin as text, up to `limitBytes`; more than that is refused, not cut. */
export async function readAll(
  { stdin }: Pick<Outside, 'stdin'>,
  limitBytes: number,
): Promise<string> {
  const chunks: Buffer[] = [] // ≤ limitBytes in all
  let length = 0
  for await (const chunk of stdin as AsyncIterable<Buffer | string>) {
    const bytes = Buffer.from(chunk as string)
    length += bytes.length
    if (length > limitBytes) {
      throw new CommandFailure('too_large', `More than ${limitBytes} bytes on standard input`)
    }
    chunks.push(bytes)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** `echo` and editors end a text with a newline that nobody means. */
export function withoutFinalNewline(text: string): string {
  return text.replace(/\r?\n$/, '')
}
