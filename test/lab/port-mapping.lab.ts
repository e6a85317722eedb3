import assert from 'node:assert/strict'
import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { connect, type Namespace, Namespaces } from '../../scripts/lab/namespaces.ts'
import { Waiters } from '../support/waiters.ts'

/*
 *     outside ─── wan, gateway with miniupnpd, lan ─── host
 *     11.0.0.1    11.0.0.2             10.9.0.1       10.9.0.2
 *
 * miniupnpd maps nothing on an address of the documentation's networks, so the outside has addresses that look
 * public; nothing leaves the namespaces.
 */
const OUTSIDE = '11.0.0.1'
const PUBLIC = '11.0.0.2'
const GATEWAY = '10.9.0.1'
const HOST = '10.9.0.2'

const WAIT_MS = 15_000

/** 250 ms are what is wanted, and what virtual time proves; a busy machine may need more, a lost answer 3 s. */
const SOON_MS = 1000
const HOST_PROGRAM = fileURLToPath(new URL('port-mapping-host.ts', import.meta.url))

const hasMiniupnpd = spawnSync('miniupnpd', ['--version']).error === undefined

describe('PortMapper against miniupnpd', () => {
  let namespaces: Namespaces
  let outside: Namespace
  let gateway: Namespace
  let host: Namespace
  let directory: string
  let miniupnpd: Child

  before(async function () {
    if (!hasMiniupnpd) this.skip() // on Debian: apt-get install miniupnpd-nftables
    namespaces = new Namespaces(`hlab-${process.pid}-pm`)
    directory = await mkdtemp(join(tmpdir(), 'hlab-pm-'))
    ;[outside, gateway, host] = await Promise.all([
      namespaces.add('outside'),
      namespaces.add('gateway'),
      namespaces.add('host'),
    ])
    await connect(
      { namespace: outside, name: 'eth0', addresses: [`${OUTSIDE}/24`] },
      { namespace: gateway, name: 'wan', addresses: [`${PUBLIC}/24`] },
    )
    await connect(
      { namespace: gateway, name: 'lan', addresses: [`${GATEWAY}/24`] },
      { namespace: host, name: 'eth0', addresses: [`${HOST}/24`] },
    )
    await gateway.forward()
    await gateway.route('default', OUTSIDE)
    await host.route('default', GATEWAY)
    gateway.nft(GATEWAY_RULES)
    miniupnpd = await startMiniupnpd()
  })

  after(async () => {
    if (!hasMiniupnpd) return
    await endAll()
    await namespaces.close()
    await rm(directory, { recursive: true, force: true })
  })

  for (const mechanism of ['pcp', 'nat-pmp', 'upnp']) {
    describe(`by ${mechanism}`, () => {
      let mapper: Child
      let mapped: Mapped

      it('maps a UDP port', async () => {
        mapper = startMapper(mechanism)
        mapped = await mapper.event('mapped')

        assert.equal(mapped.by, mechanism)
        assert.equal(mapped.external.address, PUBLIC)
        assert.equal(mapped.isPermanent, false)
        assert.ok(mapped.afterMs < SOON_MS, `${mapped.afterMs} ms`)
      })

      it('a datagram from outside comes through', async () => {
        await sendFromOutside(mapped.external.port, `hello by ${mechanism}`)
        const datagram = await mapper.event<{ from: { address: string }; text: string }>('datagram')

        assert.equal(datagram.from.address, OUTSIDE)
        assert.equal(datagram.text, `hello by ${mechanism}`)
      })

      it('the gateway lists it', () => {
        assert.match(mappings(), entry(mapped))
      })

      it('makes it again when the gateway has restarted and forgotten it', async () => {
        await miniupnpd.end()
        forgetMappings()
        miniupnpd = await startMiniupnpd()
        assert.doesNotMatch(mappings(), entry(mapped))

        mapper.command('check')
        const again = await mapper.event('mapped', 1)

        assert.equal(again.external.port, mapped.external.port)
        assert.match(mappings(), entry(mapped))
      })

      it('it is gone after release', async () => {
        mapper.command('release')
        const released = await mapper.event<{ isConfirmed: boolean }>('released')

        assert.equal(released.isConfirmed, true)
        assert.doesNotMatch(mappings(), entry(mapped))
      })
    })
  }

  describe('by whatever there is', () => {
    it('finds all three and makes one mapping, by PCP', async () => {
      const mapper = startMapper('pcp', 'nat-pmp', 'upnp')
      const mapped = await mapper.event('mapped')
      await Promise.all([0, 1, 2].map((index) => mapper.event('available', index)))

      assert.equal(mapped.by, 'pcp')
      assert.ok(mapped.afterMs < SOON_MS, `${mapped.afterMs} ms`)
      assert.equal(mappings().match(/dnat/g)?.length, 1)

      mapper.command('release')
      await mapper.event('released')
      assert.equal(mappings().match(/dnat/g), null)
    })
  })

  describe('by the one thing there is', () => {
    it('takes UPnP, without waiting for long, where nobody speaks PCP or NAT-PMP', async () => {
      await miniupnpd.end()
      miniupnpd = await startMiniupnpd({ speaksNatPmp: false })

      const mapper = startMapper('pcp', 'nat-pmp', 'upnp')
      const mapped = await mapper.event('mapped')

      assert.equal(mapped.by, 'upnp')
      assert.ok(mapped.afterMs < SOON_MS, `${mapped.afterMs} ms`)
      assert.match(mappings(), entry(mapped))

      mapper.command('release')
      await mapper.event('released')
      assert.doesNotMatch(mappings(), entry(mapped))
    })
  })

  async function startMiniupnpd({ speaksNatPmp = true } = {}): Promise<Child> {
    const conf = join(directory, 'miniupnpd.conf')
    await writeFile(conf, MINIUPNPD_CONF + (speaksNatPmp ? 'enable_natpmp=yes\n' : ''))
    const child = new Child(gateway, ['miniupnpd', '-d', '-f', conf, '-P', join(directory, 'pid')])
    await child.errorLine(/HTTP listening on port/)
    return child
  }

  function startMapper(...mechanisms: readonly string[]): Child {
    const node = [process.execPath, '--import', 'tsx/esm']
    return new Child(host, [...node, HOST_PROGRAM, ...mechanisms])
  }

  function mappings(): string {
    const list = ['netns', 'exec', gateway.name, 'nft', 'list', 'chain', 'inet', 'filter']
    return spawnSync('ip', [...list, 'prerouting_miniupnpd'], { encoding: 'utf8' }).stdout
  }

  function forgetMappings(): void {
    gateway.nft('flush chain inet filter prerouting_miniupnpd; flush chain inet filter miniupnpd')
  }

  async function sendFromOutside(port: number, text: string): Promise<void> {
    const script = `
      const socket = require('dgram').createSocket('udp4')
      socket.send('${text}', ${port}, '${PUBLIC}', () => socket.close())`
    await outside.run(process.execPath, '-e', script)
  }
})

interface Mapped {
  readonly by: string
  readonly external: { readonly address: string; readonly port: number }
  readonly isPermanent: boolean
  readonly afterMs: number
}

/** The gateway's rule for a mapping: nft says the destination as `10.9.0.2:40000`. */
function entry({ external }: Mapped): RegExp {
  return new RegExp(`dport ${external.port} .*dnat ip to ${HOST.replaceAll('.', '\\.')}:\\d+`)
}

const running = new Set<Child>()
process.once('exit', () => {
  for (const child of running) child.kill()
})

async function endAll(): Promise<void> {
  await Promise.all([...running].map((child) => child.end()))
}

/** A command in a namespace, watched by its output. */
class Child {
  readonly #name: string
  readonly #child: ChildProcessWithoutNullStreams
  readonly #waiters = new Waiters()
  readonly #exited: Promise<void>
  #stdout = ''
  #stderr = ''

  constructor(namespace: Namespace, [command = '', ...args]: readonly string[]) {
    this.#name = command
    this.#child = spawn('ip', ['netns', 'exec', namespace.name, command, ...args])
    running.add(this)
    this.#child.stdin.on('error', () => undefined)
    this.#child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text
      this.#waiters.notify()
    })
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text
      this.#waiters.notify()
    })
    this.#exited = new Promise((resolve) => {
      this.#child.once('close', () => {
        running.delete(this)
        resolve()
      })
    })
  }

  command(line: string): void {
    this.#child.stdin.write(`${line}\n`)
  }

  /** The event of this kind that came as number `index`, past or to come. */
  event<T = Mapped>(kind: string, index = 0): Promise<T> {
    return this.#until(() => {
      const lines = this.#stdout.split('\n').slice(0, -1)
      const events = lines.map((line) => JSON.parse(line) as { readonly kind: string })
      return events.filter((event) => event.kind === kind)[index] as T | undefined
    }, `event "${kind}"`)
  }

  async errorLine(pattern: RegExp): Promise<void> {
    await this.#until(() => (pattern.test(this.#stderr) ? true : undefined), String(pattern))
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }

  async end(): Promise<void> {
    this.kill()
    await this.#exited
  }

  #until<T>(look: () => T | undefined, what: string): Promise<T> {
    const complaint = (): string =>
      `No ${what} from ${this.#name}\n${this.#stdout.slice(-2000)}\n${this.#stderr.slice(-2000)}`
    return this.#waiters.until(look, WAIT_MS, complaint)
  }
}

/* What nobody inside asked for is dropped, unless miniupnpd's chains say otherwise. */
const GATEWAY_RULES = `
  table inet filter {
    chain miniupnpd { }
    chain prerouting_miniupnpd { }
    chain postrouting_miniupnpd { }
    chain forward {
      type filter hook forward priority 0; policy drop;
      ct state established,related accept
      iifname "lan" accept
      jump miniupnpd
    }
    chain prerouting {
      type nat hook prerouting priority -100;
      jump prerouting_miniupnpd
    }
    chain postrouting {
      type nat hook postrouting priority 100;
      oifname "wan" ip saddr 10.9.0.0/24 masquerade
      jump postrouting_miniupnpd
    }
  }`

const MINIUPNPD_CONF = `
ext_ifname=wan
listening_ip=lan
http_port=0
ipv6_disable=yes
enable_upnp=yes
secure_mode=yes
upnp_table_name=filter
upnp_nat_table_name=filter
min_lifetime=120
max_lifetime=86400
uuid=00000000-0000-4000-8000-000000000001
allow 1024-65535 10.9.0.0/24 1024-65535
deny 0-65535 0.0.0.0/0 0-65535
`
