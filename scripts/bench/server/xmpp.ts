/** Debian's prosody and ejabberd, each with its own configuration, data and ports, and a client that speaks to both. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { createPrivateKey } from 'node:crypto'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type TLSSocket } from 'node:tls'
import { generate } from 'selfsigned'
import {
  buddiesOf,
  type ChatClient,
  type ChatServer,
  type Heard,
  pinned,
  WordCounter,
} from './chat-server.ts'
import { inParallel, pause, until } from './usage.ts'

const HOST = 'localhost'
const PASSWORD = 'everybody'

/** As long as holler's body in base64 is not: 100 bytes of text, as they travel. */
const TEXT = 'x'.repeat(100)

const START_MS = 90_000

/** ejabberd's own 5 overflows when a few clients connect at once: the kernel then drops or resets them. */
const LISTEN_BACKLOG = 1_024

/** By itself ejabberdctl becomes its user by `su`, which leaves it 1,024 open files: less than the sessions need. */
function asEjabberd(home: string): readonly string[] {
  return [
    ...['prlimit', '--nofile=16384:'],
    ...['setpriv', '--reuid=ejabberd', '--regid=ejabberd', '--init-groups'],
    ...['env', `--chdir=${home}`, `HOME=${home}`], // where Erlang keeps its cookie
  ]
}

/** Of each peer, how it is made and where its work is done. */
interface Recipe {
  readonly name: string
  /** Writes what it needs into the directory; the command that runs it. */
  prepare(directory: string, ports: Ports, users: number): Promise<readonly string[]>
  /** Once it listens. */
  seed?(ports: Ports, users: number): Promise<void>
  /** The process that works, where it is not the one that was started. */
  workerPid?(directory: string): number | undefined
}

interface Ports {
  readonly client: number
  readonly http: number
}

export class XmppServer implements ChatServer {
  readonly name: string
  readonly version: string
  readonly login = 'SASL PLAIN'
  readonly #recipe: Recipe
  #directory = ''
  #ports: Ports = { client: 0, http: 0 }
  #child: ChildProcess | undefined
  #pid = 0

  constructor(recipe: Recipe) {
    this.#recipe = recipe
    this.name = recipe.name
    const asked = spawnSync('dpkg-query', ['-W', '-f', '${Version}', recipe.name])
    this.version = `${recipe.name} ${asked.stdout.toString()}`
  }

  get pid(): number {
    return this.#pid
  }

  async start(users: number): Promise<void> {
    this.#directory = await mkdtemp(join(tmpdir(), `holler-bench-${this.name}-`))
    this.#ports = { client: await freePort(), http: await freePort() }
    const command = await this.#recipe.prepare(this.#directory, this.#ports, users)
    const [program, ...args] = pinned(command)
    this.#child = spawn(program, args, { stdio: ['ignore', 'ignore', 'ignore'], detached: true })
    const { pid = 0 } = this.#child
    await until(`${this.name} to listen`, () => this.#isListening(), START_MS)
    this.#pid = this.#recipe.workerPid?.(this.#directory) ?? pid
    await this.#recipe.seed?.(this.#ports, users)
  }

  #isListening(): boolean {
    const { client, http } = this.#ports
    return isListening(client) && (this.#recipe.seed === undefined || isListening(http))
  }

  async logIn(user: number, heard: Heard): Promise<ChatClient> {
    const socket = connect({
      host: '127.0.0.1',
      port: this.#ports.client,
      rejectUnauthorized: false,
    })
    socket.setNoDelay(true)
    await once(socket, 'secureConnect')
    const client = new XmppClient(user, socket, heard)
    await client.logIn()
    return client
  }

  async stop(): Promise<void> {
    const { pid } = this.#child ?? {}
    const worker = this.#recipe.workerPid?.(this.#directory)
    for (const one of [worker, pid]) {
      if (one !== undefined && one !== 0) kill(one)
    }
    await until(`${this.name} to end`, () => !isListening(this.#ports.client))
    await rm(this.#directory, { recursive: true, force: true })
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // it has ended
  }
}

/** Of /proc/net/tcp: without asking the server itself, which would cost it. */
function isListening(port: number): boolean {
  const hex = port.toString(16).toUpperCase().padStart(4, '0')
  const tables = ['/proc/net/tcp', '/proc/net/tcp6'].map((table) => readFileSync(table, 'utf8'))
  return tables.some((table) => new RegExp(`:${hex} \\S+ 0A `).test(table))
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' && address !== null ? address.port : 0
}

async function writeCertificate(directory: string): Promise<{ key: string; certificate: string }> {
  const made = await generate([{ name: 'commonName', value: HOST }], {
    keyType: 'ec',
    curve: 'P-256',
  })
  const files = { key: join(directory, 'key.pem'), certificate: join(directory, 'cert.pem') }
  // As SEC 1 and not PKCS #8: ejabberd looks for the public key inside, and without it will not start.
  const key = createPrivateKey(made.private).export({ type: 'sec1', format: 'pem' })
  await writeFile(files.key, key)
  await writeFile(files.certificate, made.cert)
  await writeFile(join(directory, 'both.pem'), `${made.cert}\n${String(key)}`)
  return files
}

export const prosody: Recipe = {
  name: 'prosody',
  async prepare(directory, ports, users) {
    const { key, certificate } = await writeCertificate(directory)
    const data = join(directory, 'data')
    for (const kind of ['accounts', 'roster']) {
      await mkdir(join(data, HOST, kind), { recursive: true })
    }
    await inParallel(users, 64, async (user) => {
      const buddies = buddiesOf(user, users).map(
        (buddy) => `["user${buddy}@${HOST}"] = { subscription = "both"; groups = {}; };`,
      )
      const account = `return { ["password"] = "${PASSWORD}"; };\n`
      const roster = `return { [false] = { version = 1; }; ${buddies.join(' ')} };\n`
      await writeFile(join(data, HOST, 'accounts', `user${user}.dat`), account)
      await writeFile(join(data, HOST, 'roster', `user${user}.dat`), roster)
    })
    const config = join(directory, 'prosody.cfg.lua')
    await writeFile(
      config,
      `
        run_as_root = true
        daemonize = false
        pidfile = "${directory}/prosody.pid"
        data_path = "${data}"
        certificates = "${directory}"
        log = { error = "${directory}/error.log" }
        interfaces = { "127.0.0.1" }
        c2s_ports = {}
        s2s_ports = {}
        http_ports = {}
        https_ports = {}
        c2s_direct_tls_ports = { ${ports.client} }
        c2s_direct_tls_ssl = { key = "${key}"; certificate = "${certificate}"; }
        modules_enabled = { "roster"; "saslauth"; "tls"; }
        modules_disabled = { "s2s"; }
        authentication = "internal_plain"
        storage = "internal"
        VirtualHost "${HOST}"
        ssl = { key = "${key}"; certificate = "${certificate}"; }
      `,
    )
    return ['prosody', '--config', config, '-F']
  },
}

export const ejabberd: Recipe = {
  name: 'ejabberd',
  async prepare(directory, ports) {
    await writeCertificate(directory)
    const config = join(directory, 'ejabberd.yml')
    await writeFile(
      config,
      JSON.stringify({
        hosts: [HOST],
        loglevel: 'error',
        certfiles: [join(directory, 'both.pem')],
        auth_method: 'internal',
        auth_password_format: 'plain',
        listen: [
          {
            ...{ port: ports.client, ip: '127.0.0.1', module: 'ejabberd_c2s', tls: true },
            backlog: LISTEN_BACKLOG,
            ...{ access: 'c2s', shaper: 'none', max_stanza_size: 262_144 },
          },
          {
            ...{ port: ports.http, ip: '127.0.0.1', module: 'ejabberd_http' },
            backlog: LISTEN_BACKLOG,
            request_handlers: { '/api': 'mod_http_api' },
          },
        ],
        access_rules: { c2s: [{ allow: 'all' }] },
        api_permissions: {
          bench: { from: ['mod_http_api'], who: [{ ip: '127.0.0.1/8' }], what: '*' },
        },
        modules: { mod_roster: {}, mod_offline: {}, mod_http_api: {}, mod_admin_extra: {} },
      }),
    )
    const spool = join(directory, 'spool')
    const logs = join(directory, 'logs')
    for (const place of [spool, logs]) await mkdir(place)
    spawnSync('chown', ['-R', 'ejabberd', directory])
    const node = nodeOf(directory)
    return [
      ...asEjabberd(spool),
      ...['ejabberdctl', '-n', node, '-d', directory, '-s', spool, '-l', logs, 'foreground'],
    ]
  },
  async seed(ports, users) {
    const call = async (command: string, body: object): Promise<void> => {
      const answer = await fetchAgain(`http://127.0.0.1:${ports.http}/api/${command}`, {
        method: 'POST',
        headers: { connection: 'close' }, // it closes kept ones while the next request is on its way
        body: JSON.stringify(body),
      })
      if (!answer.ok) throw new Error(`ejabberd refuses ${command}: ${await answer.text()}`)
    }
    await inParallel(users, 16, (user) =>
      call('register', { user: `user${user}`, host: HOST, password: PASSWORD }),
    )
    await inParallel(users, 16, async (user) => {
      for (const buddy of buddiesOf(user, users)) {
        await call('add_rosteritem', {
          ...{ localuser: `user${user}`, localhost: HOST, user: `user${buddy}`, host: HOST },
          ...{ nick: '', group: '', subs: 'both' },
        })
      }
    })
  },
  workerPid(directory) {
    const isOurs = (pid: string): boolean => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
        const [program = ''] = command.split('\0')
        return program.includes('beam') && command.includes(nodeOf(directory))
      } catch {
        return false // it has ended
      }
    }
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .filter(isOurs)
      .map(Number)[0]
  },
}

/** It now and then closes a connection that it has just accepted. */
async function fetchAgain(url: string, request: RequestInit): Promise<Response> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await fetch(url, request)
    } catch (error) {
      if (attempt === 8) throw new Error(`No answer from ${url}`, { cause: error })
      await pause(250 * attempt)
    }
  }
}

function nodeOf(directory: string): string {
  return `bench${/\w+$/.exec(directory)?.[0] ?? ''}@localhost`
}

const OPEN =
  `<stream:stream to='${HOST}' xmlns='jabber:client' ` +
  "xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"

const BIND =
  "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>" +
  '<resource>bench</resource></bind></iq>'

const ROSTER = "<iq type='get' id='roster'><query xmlns='jabber:iq:roster'/></iq>"

class XmppClient implements ChatClient {
  readonly #user: number
  readonly #socket: TLSSocket
  readonly #heard: Heard
  readonly #messages = new WordCounter('</message>')
  readonly #presences = new WordCounter('<presence')
  #text = ''
  #isArrived = false
  #waiting: { readonly word: string; readonly resolve: () => void } | undefined
  #onFailed: (error: Error) => void = () => undefined

  constructor(user: number, socket: TLSSocket, heard: Heard) {
    this.#user = user
    this.#socket = socket
    this.#heard = heard
    socket.setEncoding('utf8').on('data', (text: string) => this.#receive(text))
    socket.on('error', (error: Error) => this.#onFailed(error))
    socket.on('close', () => this.#onFailed(new Error('The session ended')))
  }

  async logIn(): Promise<void> {
    const failed = new Promise<never>((_resolve, reject) => {
      this.#onFailed = (error) => reject(error)
    })
    failed.catch(() => undefined)
    await Promise.race([failed, this.#logIn()])
  }

  async #logIn(): Promise<void> {
    const secret = Buffer.from(`\0user${this.#user}\0${PASSWORD}`).toString('base64')
    await this.#say(OPEN, '</stream:features>')
    const auth = `<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>${secret}</auth>`
    await this.#say(auth, '<success')
    await this.#say(OPEN, '</stream:features>')
    await this.#say(BIND, '</iq>')
    await this.#say(ROSTER, '</iq>')
    // Its own presence comes back to it.
    await this.#say('<presence/>', '<presence')
    this.#isArrived = true
    this.#text = ''
  }

  message(to: number): void {
    this.#socket.write(`<message to='user${to}@${HOST}' type='chat'><body>${TEXT}</body></message>`)
  }

  setAway(isAway: boolean): void {
    this.#socket.write(isAway ? '<presence><show>away</show></presence>' : '<presence/>')
  }

  close(): void {
    this.#socket.destroy()
  }

  async #say(text: string, word: string): Promise<void> {
    this.#text = ''
    const heard = new Promise<void>((resolve) => (this.#waiting = { word, resolve }))
    this.#socket.write(text)
    await heard
  }

  #receive(text: string): void {
    if (this.#isArrived) {
      this.#heard.messages += this.#messages.count(text)
      this.#heard.presences += this.#presences.count(text)
      return
    }
    this.#text += text
    if (this.#text.includes('<failure')) this.#onFailed(new Error(this.#text))
    if (this.#waiting !== undefined && this.#text.includes(this.#waiting.word)) {
      const { resolve } = this.#waiting
      this.#waiting = undefined
      resolve()
    }
  }
}
