import { MAX_LINE_BYTES } from '../../protocol/control/json-lines.ts'
import type { CommandContext } from '../context.ts'
import { usageFailure } from '../failure.ts'
import { readAll } from '../read-input.ts'
import { jsonLine } from '../visible-text.ts'

/** The answer is JSON with or without `--json`: a raw call is for programs. */
export async function callMethod(
  context: CommandContext,
  method: string,
  text: string | undefined,
): Promise<void> {
  const json = text === '-' ? await readAll(context.outside, MAX_LINE_BYTES) : (text ?? '{}')
  const params = parse(json)
  const client = await context.client()
  const result = await client.call(method, params, context.timeoutMs)
  await context.output.answer(result, () => jsonLine(result))
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch (error) {
    throw usageFailure(`The parameters are not JSON: ${(error as SyntaxError).message}`)
  }
}
