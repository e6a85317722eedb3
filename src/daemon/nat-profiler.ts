/**
 * Finds out what the NAT of the network does that the host is in, by the tests of `src/natprobe` on sockets of their own,
 * and remembers it for that network. A conversation never waits for it: what is not known yet is told later.
 *
 * Afterwards it finds out how long idle mappings live there, twice: sockets that ask the STUN server and nobody else are
 * left in silence for up to five minutes.
 */
import type { Clock } from '../core/clock.ts'
import { prefixOf, scopeOf } from '../core/address-scope.ts'
import type { Endpoint } from '../core/endpoint.ts'
import { after } from '../core/instant.ts'
import type { Logger } from '../core/logger.ts'
import type { Random } from '../core/random.ts'
import { Alarm } from '../io/alarm.ts'
import { gatewayHardwareAddress } from '../io/gateway.ts'
import type { NatProbeResult } from '../natprobe/nat-probe.ts'
import type { NatProfile } from '../protocol/server/nat-profile.ts'
import { afterTest, type KnownSilences, TESTS_WANTED } from '../traversal/idle-interval.ts'
import type { NatMemory } from './nat-memory.ts'
import { NatProbeRun, type NatProbeRunOptions } from './nat-probe-run.ts'
import { natProfileOf } from './nat-profile-of.ts'

/**
 * What is remembered serves for a while: the first words of a login, its introductions and punches have the line for
 * themselves. Where nothing is remembered the test begins at once: the punches wait for it, and a port that nobody can
 * predict yet is not made harder to predict by it.
 */
const DELAY_MS = 3000

/**
 * A test that lasts longer, because much is lost, is heard before its end: what is known by then, and no better, serves the
 * punches that wait for it.
 */
const PATIENCE_MS = 3000

/** A test that brought nothing, or a profile that has grown old while the network stayed. */
const AGAIN_MS = 60 * 60 * 1000

/** The punches of a login are over by then. Nothing waits for this test: until it is done paths are asked more often. */
const SILENCE_DELAY_MS = 30_000

export interface NatProfilerOptions {
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly memory: NatMemory
  /** Where the tests' sockets are bound. */
  readonly address: string
  /** What is known of the NAT now. */
  readonly onProfile: (profile: NatProfile | undefined) => void
  /** What is known of silences now. */
  readonly onSilences: (silences: KnownSilences) => void
}

/** Where the host is, as STUN says. */
interface Place {
  readonly publicAddress: string
  readonly servers: readonly Endpoint[]
  readonly ownAddresses: readonly string[]
}

export class NatProfiler {
  readonly #options: NatProfilerOptions
  readonly #alarm: Alarm
  readonly #silenceAlarm: Alarm
  #place: Place | undefined
  #run: NatProbeRun | undefined
  #silenceRun: NatProbeRun | undefined
  #isClosed = false

  constructor(options: NatProfilerOptions) {
    this.#options = options
    this.#alarm = new Alarm(options.clock, () => void this.#measure())
    this.#silenceAlarm = new Alarm(options.clock, () => void this.#testSilences())
  }

  /** The world sees the primary socket so; with nothing, nobody knows. */
  follow(
    publicEndpoints: readonly Endpoint[],
    servers: readonly Endpoint[],
    ownAddresses: readonly string[],
  ): void {
    const seen = publicEndpoints.find(({ family }) => family === 4)
    const before = this.#place
    const asked = servers.filter(({ family }) => family === 4)
    this.#place =
      seen === undefined || asked.length === 0
        ? undefined
        : { publicAddress: seen.address, servers: asked, ownAddresses }
    if (this.#place?.publicAddress === before?.publicAddress) return
    this.#stop()
    if (this.#place !== undefined && !hasNoNat(this.#place)) {
      void this.#recall(this.#place)
      return
    }
    this.#options.onSilences({})
    this.#options.onProfile(this.#place === undefined ? undefined : NO_NAT)
  }

  /** What silences did to paths out of this network: remembered with it. Never rejects. */
  async learn(silences: KnownSilences): Promise<void> {
    const place = this.#place
    if (place === undefined || this.#isClosed) return
    const network = await networkOf(place)
    try {
      await this.#options.memory.rememberSilences(network, silences)
    } catch (error) {
      this.#options.logger.warn('What was learnt of the network could not be kept', {
        error: String(error),
      })
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#stop()
    await Promise.all([this.#run?.closed, this.#silenceRun?.closed])
  }

  #stop(): void {
    for (const alarm of [this.#alarm, this.#silenceAlarm]) alarm.clear()
    for (const run of [this.#run, this.#silenceRun]) run?.stop()
  }

  async #recall(place: Place): Promise<void> {
    const { memory, clock, onProfile, onSilences } = this.#options
    const network = await networkOf(place)
    if (this.#isClosed || this.#place !== place) return
    const known = memory.recall(clock.wallNow(), network, place.publicAddress)
    onSilences(known?.silences ?? {})
    onProfile(known?.profile)
    if (known === undefined) {
      await this.#measure()
      return
    }
    this.#wait(known.isFresh ? AGAIN_MS : DELAY_MS)
    if (known.isFresh) this.#planSilence(known.profile, known.silences)
  }

  async #measure(): Promise<void> {
    const place = this.#place
    if (place === undefined || this.#isClosed) return
    const { memory, clock, logger, onProfile } = this.#options
    const network = await networkOf(place)
    if (memory.recall(clock.wallNow(), network, place.publicAddress)?.isFresh === true) {
      this.#wait(AGAIN_MS)
      return
    }
    const old = memory.recall(clock.wallNow(), network, place.publicAddress)?.profile
    const tell = (found: NatProbeResult | undefined, isWhole: boolean): void => {
      const profile = found === undefined ? undefined : natProfileOf(found)
      if (profile === undefined || this.#run !== run || this.#place !== place) return
      // What was measured another day is better than half of what is being measured now.
      if (isWhole || (old === undefined && isEnough(profile))) onProfile(profile)
    }
    const patience = new Alarm(clock, () => tell(run.found, false))
    const run = this.#begin(place, { mode: 'profile' }, (found) => {
      patience.clear()
      tell(found, true)
    })
    this.#run = run
    patience.set(after(clock.now(), PATIENCE_MS))
    const result = await run.finished
    patience.clear()
    await run.closed
    if (this.#run !== run || this.#place !== place || result === undefined) return
    const profile = natProfileOf(result)
    logger.info('The NAT was tested', { profile: profile ?? null })
    this.#wait(AGAIN_MS)
    if (profile === undefined) return
    onProfile(profile)
    await memory.remember(clock.wallNow(), network, place.publicAddress, profile)
    this.#planSilence(profile, {})
  }

  #planSilence({ mapping }: NatProfile, { tests = 0 }: KnownSilences): void {
    const { clock } = this.#options
    const isWanted = mapping !== 'none' && tests < TESTS_WANTED && !this.#isClosed
    if (isWanted) this.#silenceAlarm.set(after(clock.now(), SILENCE_DELAY_MS))
  }

  /** Five minutes. Where nothing can be told, because much was lost or the server does not help, 15 s it stays. */
  async #testSilences(): Promise<void> {
    const place = this.#place
    if (place === undefined || this.#isClosed) return
    const { memory, clock, logger, onSilences } = this.#options
    const run = this.#begin(place, { mode: 'lifetime', lifetime: 'full' })
    this.#silenceRun = run
    const result = await run.finished
    await run.closed
    const survivedMs = result?.lifetime?.value.atLeastMs ?? undefined
    const known = memory.recall(clock.wallNow(), await networkOf(place), place.publicAddress)
    if (this.#silenceRun !== run || this.#place !== place || known === undefined) return
    logger.info('The NAT was left in silence', { survivedMs: survivedMs ?? null })
    if (survivedMs === undefined) return
    const silences = afterTest(known.silences, survivedMs)
    onSilences(silences)
    await this.learn(silences)
    this.#planSilence(known.profile, silences)
  }

  #begin(
    { servers, ownAddresses }: Place,
    tests: NatProbeRunOptions['tests'],
    onSettled?: NatProbeRunOptions['onSettled'],
  ): NatProbeRun {
    const { clock, random, address } = this.#options
    const settled = onSettled === undefined ? {} : { onSettled }
    return new NatProbeRun({ clock, random, address, servers, ownAddresses, tests, ...settled })
  }

  #wait(ms: number): void {
    const { clock } = this.#options
    if (!this.#isClosed) this.#alarm.set(after(clock.now(), ms))
  }
}

const NO_NAT: NatProfile = {
  mapping: 'none',
  filtering: 'unknown', // there may be a firewall
  ports: { kind: 'preserve' },
  isPooled: false,
}

/** The socket's own address is its public one; or everything is on one machine. */
function hasNoNat({ publicAddress, ownAddresses }: Place): boolean {
  const scope = scopeOf({ family: 4, address: publicAddress })
  return ownAddresses.includes(publicAddress) || scope === 'loopback'
}

async function networkOf({ publicAddress }: Place): Promise<string> {
  const hardware = await gatewayHardwareAddress()
  return `${hardware ?? 'unknown gateway'} ${prefixOf({ family: 4, address: publicAddress }, 24)}`
}

/** With a mapping that depends on the destination, and no rule for its ports, peers would guess at all of them. */
function isEnough({ mapping, ports }: NatProfile): boolean {
  const isFixed = mapping === 'none' || mapping === 'endpoint-independent'
  return isFixed || ports.kind !== 'unknown'
}
