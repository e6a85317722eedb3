import assert from 'node:assert/strict'
import {
  type CommandLine,
  parseServerName,
  readCommandLine,
} from '../../src/natprobe/command-line.ts'
import { literal } from './probe-world.ts'

function read(...args: readonly string[]): CommandLine {
  return readCommandLine(args, '1.2.3')
}

describe('readCommandLine()', () => {
  it('may be without a server', () => {
    assert.equal(read().kind, 'probe')
  })

  it('asks in full over both families unless told otherwise', () => {
    assert.deepEqual(read('stun.example.org'), {
      kind: 'probe',
      request: {
        servers: [{ label: 'stun.example.org', host: 'stun.example.org', port: 3478 }],
        mode: 'full',
        lifetime: 'quick',
        isJson: false,
        isAnonymized: false,
        families: [4, 6],
      },
    })
  })

  it('knows its options', () => {
    const line = read('--json', '--quick', '-6', '--bind', '[2001:db8::5]:5000', 'a', 'b:1')

    assert.ok(line.kind === 'probe')
    const { mode, isJson, families, bind, servers } = line.request
    assert.deepEqual([mode, isJson, families], ['quick', true, [6]])
    assert.deepEqual(bind, literal('2001:db8::5', 5000))
    assert.deepEqual(
      servers.map(({ port }) => port),
      [3478, 1],
    )
  })

  it('takes the family from --bind', () => {
    const line = read('--bind', '192.0.2.5', 'a')

    assert.ok(line.kind === 'probe')
    assert.deepEqual([line.request.families, line.request.bind], [[4], literal('192.0.2.5', 0)])
    assert.equal(read('-6', '--bind', '192.0.2.5', 'a').kind, 'usage')
    assert.equal(read('--bind', 'localhost', 'a').kind, 'usage')
  })

  it('compares, anonymizes and repeats', () => {
    const line = read(
      '--report',
      'new.html',
      '--compare',
      'old.json',
      '--anonymize',
      '--every',
      '5m',
      'a',
    )

    assert.ok(line.kind === 'probe')
    const { compareWith, isAnonymized, everyMs, pageFile } = line.request
    assert.deepEqual([compareWith, isAnonymized, everyMs], ['old.json', true, 300_000])
    assert.equal(pageFile, 'new.html')
    for (const text of ['9s', '25h', '5', 'm', '-5m', '1d', '']) {
      assert.equal(read('--every', text, 'a').kind, 'usage', text)
    }
  })

  it('tests lifetimes to 60 s unless told otherwise, and none when it must be quick', () => {
    const lifetime = (...args: readonly string[]): string => {
      const line = read(...args, 'a')
      return line.kind === 'probe' ? line.request.lifetime : line.kind
    }
    assert.equal(lifetime(), 'quick')
    assert.equal(lifetime('--lifetime', 'full'), 'full')
    assert.equal(lifetime('--lifetime', 'off'), 'off')
    assert.equal(lifetime('--quick', '--lifetime', 'full'), 'off')
    assert.equal(lifetime('--lifetime', 'long'), 'usage')
  })

  it('refuses what it does not know', () => {
    for (const args of [['--nonsense', 'a'], ['-4', '-6', 'a'], ['a b'], ['--bind']]) {
      assert.equal(read(...args).kind, 'usage', args.join(' '))
    }
  })

  it('shows help and version', () => {
    const help = read('--help')

    assert.ok(help.kind === 'shown')
    assert.match(help.text, /^Usage: natprobe .*SERVER\[:PORT\]/)
    assert.match(help.text, /10 {2}relay likely/)
    assert.deepEqual(read('--version'), { kind: 'shown', text: '1.2.3\n' })
  })
})

describe('parseServerName()', () => {
  it('reads names and addresses, with and without a port', () => {
    const forms: Readonly<Record<string, readonly [string, number]>> = {
      'stun.example.org': ['stun.example.org', 3478],
      'stun.example.org:5': ['stun.example.org', 5],
      localhost: ['localhost', 3478],
      '192.0.2.1': ['192.0.2.1', 3478],
      '192.0.2.1:19302': ['192.0.2.1', 19_302],
      '2001:db8::1': ['2001:db8::1', 3478],
      '[2001:db8::1]': ['2001:db8::1', 3478],
      '[2001:db8::1]:7': ['2001:db8::1', 7],
    }
    for (const [label, [host, port]] of Object.entries(forms)) {
      assert.deepEqual(parseServerName(label), { ok: true, value: { label, host, port } })
    }
  })

  it('refuses everything else', () => {
    for (const label of [
      '',
      ':1',
      'a:0',
      'a:65536',
      'a:x',
      'a b',
      'user@host',
      'http://a/',
      '[a',
    ]) {
      assert.equal(parseServerName(label).ok, false, label)
    }
  })
})
