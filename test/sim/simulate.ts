import { Pcap } from './pcap.ts'
import { World, type WorldOptions } from './world.ts'

/** How many seeds each simulation runs: `SIM_RUNS` where set. `SIM_SEED` runs that one alone. */
export function seeds(usually: number): readonly number[] {
  const only = process.env['SIM_SEED']
  if (only !== undefined) return [Number(only)]
  const runs = Number(process.env['SIM_RUNS'] ?? usually)
  return Array.from({ length: runs }, (_, index) => index + 1)
}

/** How long a test over `seeds(usually)` may take: `it(…).timeout(patienceMs(60))`. */
export function patienceMs(usually: number): number {
  return 10_000 + 250 * seeds(usually).length
}

/** Runs a test in a fresh world; a failure names the seed and shows the last packets. */
export function simulate(seed: number, body: (world: World) => void, options?: WorldOptions): void {
  const world = new World(seed, options)
  const capture = captureOf(world)
  try {
    body(world)
  } catch (error) {
    if (!(error instanceof Error)) throw error
    // Reporters show the message, or what the stack repeats of it: both must tell.
    const frames = error.stack?.split('\n').filter((line) => line.startsWith('    at ')) ?? []
    error.message = `${error.message}\n\n${world.trace.print()}\nSIM_SEED=${seed} at ${world.now} ms`
    error.stack = [`${error.name}: ${error.message}`, ...frames].join('\n')
    throw error
  } finally {
    capture()
  }
}

/** With `SIM_PCAP=FILE`, what hosts send is written there; with several worlds, of the last one. */
function captureOf(world: World): () => void {
  const path = process.env['SIM_PCAP']
  if (path === undefined) return () => undefined
  const pcap = new Pcap()
  world.tap((stage, packet) => {
    if (stage === 'sent') pcap.add(world.now, packet)
  })
  return () => pcap.write(path)
}
