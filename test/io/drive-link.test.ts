import assert from 'node:assert/strict'
import { generate } from 'selfsigned'
import { after, type Instant } from '../../src/core/instant.ts'
import type { LinkMachine, LinkOutput } from '../../src/core/machine.ts'
import type { SecureStream } from '../../src/io/byte-stream.ts'
import { driveLink } from '../../src/io/drive-link.ts'
import { systemClock } from '../../src/io/system-clock.ts'
import { connectTls, listenTls } from '../../src/io/tls.ts'
import { certificatePin } from '../../src/crypto/certificate-pin.ts'

const ALPN = 'holler-test/1'

/** Asks for a stream, and tells in which order bytes and its deadline come. */
class Listener implements LinkMachine<never> {
  readonly heard: string[] = []
  readonly #outputs: LinkOutput[] = [{ kind: 'connect' }]
  readonly #onHeard: () => void
  #deadline: Instant | undefined

  constructor(onHeard: () => void) {
    this.#onHeard = onHeard
  }

  handleConnected(): void {
    this.#note('connected')
  }

  expectSilence(now: Instant): void {
    this.#deadline = after(now, 20)
  }

  handleBytes(): void {
    this.#note('bytes')
  }

  handleDisconnected(): void {
    this.#note('disconnected')
  }

  handleTimeout(now: Instant): void {
    if (this.#deadline === undefined || this.#deadline > now) return
    this.#deadline = undefined
    this.#note('timeout')
  }

  pollOutput(): LinkOutput | undefined {
    return this.#outputs.shift()
  }

  pollEvent(): undefined {
    return undefined
  }

  pollTimeout(): Instant | undefined {
    return this.#deadline
  }

  #note(what: string): void {
    this.heard.push(what)
    this.#onHeard()
  }
}

describe('driveLink()', () => {
  it('hands in what arrived while the process was held up before it judges silence', async () => {
    const certificate = await generate([{ name: 'commonName', value: 'holler' }], { keyType: 'ec' })
    const pin = certificatePin(certificate.cert)
    assert.ok(pin !== undefined)
    let accept: (stream: SecureStream) => void = () => undefined
    const accepted = new Promise<SecureStream>((resolve) => (accept = resolve))
    const tls = await listenTls({
      address: '127.0.0.1',
      port: 0,
      certificatePem: certificate.cert,
      keyPem: certificate.private,
      alpn: [ALPN],
      onStream: (stream) => accept(stream),
    })
    let wake: () => void = () => undefined
    const machine = new Listener(() => wake())
    const heardSoMany = async (count: number): Promise<void> => {
      while (machine.heard.length < count) await new Promise<void>((resolve) => (wake = resolve))
    }
    const driver = driveLink(machine, {
      clock: systemClock,
      connect: () =>
        connectTls({ host: '127.0.0.1', port: tls.local.port, pin, alpn: ALPN, timeoutMs: 5_000 }),
      onEvent: () => undefined,
    })
    try {
      const server = await accepted
      await heardSoMany(1)
      server.write(Buffer.from('I live')) // the kernel has it, and nobody has read it
      driver.change((now) => machine.expectSilence(now))
      const until = performance.now() + 100
      while (performance.now() < until); // held up
      await heardSoMany(3)

      assert.deepEqual(machine.heard, ['connected', 'bytes', 'timeout'])
    } finally {
      driver.stop()
      await tls.close()
    }
  })
})
