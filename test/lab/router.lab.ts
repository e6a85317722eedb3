import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type RouterKindName, routerKinds } from '../../scripts/lab/router/kinds.ts'
import { RouterInternet, SERVER_ADDRESSES } from '../../scripts/lab/router/router-internet.ts'
import { startServer } from '../support/household.ts'
import type { Program } from '../support/programs.ts'
import {
  askNatDiscovery,
  askNatprobe,
  askStunClient,
  TurnServer,
  type Verdict,
} from './router-judges.ts'

const [SERVER, SECOND] = SERVER_ADDRESSES

const said = {
  'endpoint-independent': 'Endpoint Independent',
  'address-dependent': 'Address Dependent',
  'address-and-port-dependent': 'Address and Port Dependent',
} as const

interface Expected {
  readonly mapping: keyof typeof said
  readonly filtering: keyof typeof said
  /** What the `stun` client calls it. */
  readonly classic: RegExp
  readonly isTranslating?: false
}

const cone = { mapping: 'endpoint-independent' } as const
const symmetric = {
  mapping: 'address-and-port-dependent',
  filtering: 'address-and-port-dependent',
  classic: /^Dependent Mapping, random port, no hairpin$/,
} as const

const expected: Readonly<Record<RouterKindName, Expected>> = {
  'full cone': {
    ...cone,
    filtering: 'endpoint-independent',
    classic: /^Independent Mapping, Independent Filter, preserves ports, no hairpin$/,
  },
  'address-restricted cone': {
    ...cone,
    filtering: 'address-dependent',
    classic: /^Independent Mapping, Address Dependent Filter, preserves ports, no hairpin$/,
  },
  'port-restricted cone': {
    ...cone,
    filtering: 'address-and-port-dependent',
    classic: /^Independent Mapping, Port Dependent Filter, preserves ports, no hairpin$/,
  },
  'symmetric sequential': symmetric,
  'symmetric random': symmetric,
  'address-dependent mapping': {
    mapping: 'address-dependent',
    filtering: 'address-dependent',
    classic: /^Dependent Mapping, random port, no hairpin$/,
  },
  'full cone with hairpinning': {
    ...cone,
    filtering: 'endpoint-independent',
    classic: /^Independent Mapping, Independent Filter, preserves ports, will hairpin$/,
  },
  'firewall only': {
    ...cone,
    filtering: 'address-and-port-dependent',
    classic: /^Firewall$/,
    isTranslating: false,
  },
}

interface Judgement {
  readonly discovery: Verdict
  readonly classic: string
  readonly ours: Verdict
  readonly oursByOthers: Verdict
}

describe('user-space routers before independent judges', () => {
  let directory: string
  let internet: RouterInternet
  let turnServer: TurnServer
  let hollerServer: Program
  const judgements = new Map<string, Judgement>()

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'hrouter-'))
    internet = await RouterInternet.create()
    turnServer = await TurnServer.start(internet.server, SERVER_ADDRESSES, directory)
    const server = await startServer({
      dataDir: join(directory, 'server'),
      listen: `${SERVER}:7443`,
      udp: `${SERVER}:4478`,
      udpAlt: `${SECOND}:4479`,
      prefix: internet.server.prefix,
    })
    hollerServer = server.program
    const names = Object.keys(routerKinds) as RouterKindName[]
    await Promise.all(names.map(async (name) => judgements.set(name, await judged(name))))
  })

  after(async () => {
    await hollerServer.stop()
    await turnServer.stop()
    await internet.close()
    await rm(directory, { recursive: true, force: true })
  })

  async function judged(name: RouterKindName): Promise<Judgement> {
    const router = await internet.addRouter({ kind: routerKinds[name] })
    const { namespace } = await router.addHost()
    const [discovery, classic, ours, oursByOthers] = await Promise.all([
      askNatDiscovery(namespace, SERVER),
      askStunClient(namespace, SERVER),
      askNatprobe(namespace, `${SERVER}:4478`),
      askNatprobe(namespace, `${SERVER}:3478`),
    ])
    return { discovery, classic, ours, oursByOthers }
  }

  for (const [name, { mapping, filtering, classic, isTranslating }] of Object.entries(expected)) {
    describe(name, () => {
      it(`turnutils_natdiscovery finds ${mapping} mapping, ${filtering} filtering`, () => {
        const verdict = judgements.get(name)?.discovery

        assert.equal(verdict?.mapping, said[mapping], verdict?.words)
        assert.equal(verdict.filtering, said[filtering], verdict.words)
      })

      it(`the stun client finds ${classic.source}`, () => {
        assert.match(judgements.get(name)?.classic ?? '', classic)
      })

      for (const [server, key] of [
        ['holler-server', 'ours'],
        ['coturn', 'oursByOthers'],
      ] as const) {
        it(`natprobe finds the same by ${server}`, () => {
          const verdict = judgements.get(name)?.[key]

          assert.equal(verdict?.mapping, isTranslating === false ? 'none' : mapping, verdict?.words)
          assert.equal(verdict.filtering, filtering, verdict.words)
        })
      }
    })
  }
})
