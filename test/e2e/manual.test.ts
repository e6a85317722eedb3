import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { run as runHoller } from '../cli/support/run.ts'
import { run as runServer } from '../server/support/run-command-line.ts'
import { type Main, runProgram } from '../support/programs.ts'

/** What a command takes, by the command's words; the program itself is ''. */
type Commands = ReadonlyMap<string, readonly string[]>

interface Page {
  readonly name: string
  readonly main: Main
  /** Options of every command, which the page tells once. */
  readonly common: readonly string[]
}

const PAGES: readonly Page[] = [
  { name: 'holler.1', main: 'cli', common: ['--help'] },
  { name: 'hollerd.8', main: 'daemon', common: ['--help'] },
  {
    name: 'holler-server.8',
    main: 'server',
    common: ['--help', '--config', '--data', '--admin-socket', '--json'],
  },
  { name: 'natprobe.1', main: 'natprobe', common: [] },
]

const manual = (name: string): URL => new URL(`../../docs/man/${name}`, import.meta.url)

/** In this process where a program has dozens of commands, for each start of one takes a while. */
async function helpOf(main: Main, words: readonly string[]): Promise<string> {
  const args = [...words, '--help']
  switch (main) {
    case 'cli':
      return (await runHoller(args)).stdout
    case 'server':
      return (await runServer(...args)).stdout
    case 'daemon':
    case 'natprobe':
      return (await runProgram({ name: main, main, args })).stdout
  }
}

/** The lines of one part of a help text that begin something; what goes on from them is indented further. */
function entriesUnder(title: string, help: string): readonly string[] {
  const [, part = ''] = help.split(`\n${title}:\n`)
  const lines = (part.split('\n\n')[0] ?? '').split('\n')
  return lines.flatMap((line) => /^ {2}(\S.*)$/.exec(line)?.[1] ?? [])
}

/** `-q, --quiet  print nothing` is `--quiet`, and `-4  IPv4 only` is `-4`. */
function optionIn(text: string): string {
  const [names = ''] = text.split(/ {2,}| [<[]/)
  return names.split(', ').at(-1)?.trim() ?? ''
}

/** By asking the program for help, and each of its commands. */
async function commandsOfProgram(page: Page, words: readonly string[] = []): Promise<Commands> {
  const help = await helpOf(page.main, words)
  const options = entriesUnder('Options', help).map(optionIn)
  const names = entriesUnder('Commands', help).map((line) => line.split(' ')[0] ?? '')
  const commands = new Map<string, readonly string[]>()
  const isCommand = words.length > 0 && names.length === 0
  if (words.length === 0) commands.set('', options)
  if (isCommand) commands.set(words.join(' '), without(options, page.common))
  const inner = names.filter((name) => name !== 'help')
  for (const of of await Promise.all(
    inner.map((name) => commandsOfProgram(page, [...words, name])),
  )) {
    for (const [name, taken] of of) commands.set(name, taken)
  }
  return commands
}

/** By what is tagged in the sections OPTIONS and COMMANDS. */
async function commandsOfPage({ name }: Page): Promise<Commands> {
  const commands = new Map<string, string[]>([['', []]])
  let section = ''
  let command = ''
  let isTag = false
  for (const line of (await readFile(manual(name), 'utf8')).split('\n')) {
    const heading = /^\.SH (.*)$/.exec(line)?.[1]
    if (heading !== undefined) [section, command] = [heading, '']
    if (isTag && section === 'OPTIONS') commands.get('')?.push(...optionsIn(line))
    if (isTag && section === 'COMMANDS') {
      const options = optionsIn(line)
      if (options.length === 0) {
        command = plain(/^\\fB(.*?)\\fR/.exec(line)?.[1] ?? '')
        commands.set(command, [])
      } else commands.get(command)?.push(...options)
    }
    isTag = line === '.TP'
  }
  return commands
}

/** The last name of each option that a tag gives; `-4` and `-6` are two options. */
function optionsIn(tag: string): readonly string[] {
  const names = plain(tag).match(/(?<=^|[\s,"])--?[\w-]+/g) ?? []
  const long = names.filter((name) => name.startsWith('--'))
  return long.length > 0 ? long : names
}

/** Without what is only for the formatter. */
function plain(roff: string): string {
  return roff
    .replace(/^\.[A-Z]+ /, '')
    .replace(/\\f./g, '')
    .replaceAll('\\-', '-')
}

function without(options: readonly string[], common: readonly string[]): readonly string[] {
  return options.filter((option) => !common.includes(option))
}

describe('the manual', function () {
  this.timeout(120_000)

  for (const page of PAGES) {
    it(`tells in ${page.name} of every command and option, and of none that there is not`, async () => {
      const [told, taken] = await Promise.all([commandsOfPage(page), commandsOfProgram(page)])

      assert.deepEqual([...told.keys()], [...taken.keys()])
      for (const [command, options] of taken) {
        assert.deepEqual([...(told.get(command) ?? [])].sort(), [...options].sort(), command)
      }
    })
  }

  it('is what npm installs', async () => {
    const text = await readFile(new URL('../../package.json', import.meta.url), 'utf8')
    const { man } = JSON.parse(text) as { readonly man: readonly string[] }

    assert.deepEqual([...man].sort(), PAGES.map(({ name }) => `./docs/man/${name}`).sort())
  })
})
