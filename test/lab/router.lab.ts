import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildHome, type Home, type HomeKind } from '../../scripts/lab/homes.ts'
import { RouterInternet, SERVER_ADDRESSES } from '../../scripts/lab/router/router-internet.ts'
import { inTurns } from './in-turns.ts'
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

/** Judges wait more than they work; each natprobe starts a Node. */
const AT_ONCE = 6

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
  /** `turnutils_natdiscovery`. */
  readonly isForOneJudge?: true
}

const cone = { mapping: 'endpoint-independent' } as const
const symmetric = {
  mapping: 'address-and-port-dependent',
  filtering: 'address-and-port-dependent',
  classic: /^Dependent Mapping, random port, no hairpin$/,
} as const

const portRestricted = {
  ...cone,
  filtering: 'address-and-port-dependent',
  classic: /^Independent Mapping, Port Dependent Filter, preserves ports, no hairpin$/,
} as const
const inBlocks = {
  ...cone,
  filtering: 'address-and-port-dependent',
  classic: /^Independent Mapping, Port Dependent Filter, random port, no hairpin$/,
} as const

const expected: Readonly<Record<HomeKind, Expected>> = {
  public: {
    ...cone,
    filtering: 'endpoint-independent',
    classic: /^Open$/,
    isTranslating: false,
  },
  open: {
    ...cone,
    filtering: 'endpoint-independent',
    classic: /^Open$/,
    isTranslating: false,
  },
  'firewall only': {
    ...cone,
    filtering: 'address-and-port-dependent',
    classic: /^Firewall$/,
    isTranslating: false,
  },
  'full cone': {
    ...cone,
    filtering: 'endpoint-independent',
    classic: /^Independent Mapping, Independent Filter, preserves ports, no hairpin$/,
  },
  'full cone with hairpinning': {
    ...cone,
    filtering: 'endpoint-independent',
    classic: /^Independent Mapping, Independent Filter, preserves ports, will hairpin$/,
  },
  'address-restricted cone': {
    ...cone,
    filtering: 'address-dependent',
    classic: /^Independent Mapping, Address Dependent Filter, preserves ports, no hairpin$/,
  },
  'port-restricted cone': portRestricted,
  'port-restricted cone with hairpinning': {
    ...portRestricted,
    classic: /^Independent Mapping, Port Dependent Filter, preserves ports, will hairpin$/,
  },
  masquerade: portRestricted,
  'accepting masquerade': portRestricted,
  'poisonable cone': portRestricted,
  'forgetful cone': portRestricted,
  // Each judge's test of filtering makes it refuse the server that the other judges ask.
  'blocking cone': { ...portRestricted, isForOneJudge: true },
  carrier: inBlocks,
  'carrier and home': inBlocks,
  'carrier with hairpinning': { ...inBlocks, classic: /^Independent Mapping, .*will hairpin$/ },
  'symmetric sequential': symmetric,
  'symmetric random': symmetric,
  'symmetric carrier': symmetric,
  'symmetric carrier and home': symmetric,
  'address-dependent mapping': {
    mapping: 'address-dependent',
    filtering: 'address-dependent',
    classic: /^Dependent Mapping, random port, no hairpin$/,
  },
}

interface Judgement {
  readonly discovery: Verdict
  readonly classic: string
  readonly ours: Verdict
  readonly oursByOthers: Verdict
}

describe('the routers of the laboratory before independent judges', () => {
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
    const kinds = Object.keys(expected) as HomeKind[]
    const homes = new Map<HomeKind, Home>()
    await inTurns(kinds, AT_ONCE, async (kind) => {
      homes.set(kind, await buildHome(internet, kind))
    })
    await inTurns([...homes], AT_ONCE, async ([kind, home]) => {
      judgements.set(kind, await judged(home, expected[kind].isForOneJudge === true))
    })
  })

  after(async () => {
    await hollerServer.stop()
    await turnServer.stop()
    await internet.close()
    await rm(directory, { recursive: true, force: true })
  })

  async function judged({ host: { namespace } }: Home, isForOneJudge: boolean): Promise<Judgement> {
    const discovery = askNatDiscovery(namespace, SERVER)
    if (isForOneJudge) await discovery
    const [classic, ours, oursByOthers] = await Promise.all([
      askStunClient(namespace, SERVER),
      askNatprobe(namespace, `${SERVER}:4478`),
      askNatprobe(namespace, `${SERVER}:3478`),
    ])
    return { discovery: await discovery, classic, ours, oursByOthers }
  }

  for (const [name, expectation] of Object.entries(expected)) {
    const { mapping, filtering, classic, isTranslating, isForOneJudge } = expectation

    describe(name, () => {
      it(`turnutils_natdiscovery finds ${mapping} mapping, ${filtering} filtering`, () => {
        const verdict = judgements.get(name)?.discovery

        assert.equal(verdict?.mapping, said[mapping], verdict?.words)
        assert.equal(verdict.filtering, said[filtering], verdict.words)
      })

      if (isForOneJudge) return

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
