/** One side's line to the world is dead, for UDP and TCP alike, and comes back. */
import assert from 'node:assert/strict'
import { uniform } from '../../src/core/random.ts'
import type { PeerScene, PeerSide } from './peer-scene.ts'

/**
 * Until a daemon that asks to be introduced anew, since its direct path is lost, knows that the server does not answer
 * (`src/tcp/heartbeat.ts`).
 */
const NOTICED_AFTER_MS = 8_000

/** Where nothing tells it that the network is back, its next attempt is up to a minute away. */
const NEXT_ATTEMPT_MS = 30_000

/** The first wait of `src/tcp/backoff.ts` at most, then TCP, TLS and the resumption. */
const FIRST_WAIT_MS = 500
const RESUMED_AFTER_MS = 160

const LATENCY_MS = 10

/** Nothing goes in or out for so long. */
export function outage(scene: PeerScene, side: PeerSide, durationMs: number): void {
  const { world } = scene
  setLoss(side, 1)
  side.server = 'silent'
  world.runFor(Math.min(NOTICED_AFTER_MS, durationMs))
  if (durationMs > NOTICED_AFTER_MS) {
    side.server = 'gone'
    side.change((now) => side.endpoint.serverLost(now))
    world.runFor(durationMs - NOTICED_AFTER_MS)
  }
  setLoss(side, 0)
  const isGone = side.server === 'gone'
  side.server = isGone ? 'gone' : 'there'
  if (isGone) comeBack(scene, side)
}

function comeBack({ world, stun }: PeerScene, side: PeerSide): void {
  const resume = (): void => {
    if (side.server === 'there') return
    side.server = 'there'
    side.change((now) => side.endpoint.setStunServers(now, stun))
    if (!side.isConnected) side.introduce() // as `introductions.ts` does for who has something to say
  }
  world.after(NEXT_ATTEMPT_MS, resume)
  side.onNetworkBack = () => {
    side.onNetworkBack = () => undefined
    world.after(FIRST_WAIT_MS * uniform(side.host.random) + RESUMED_AFTER_MS, resume)
  }
}

function setLoss({ router }: PeerSide, loss: number): void {
  assert.ok(router !== undefined)
  for (const way of [router.outside.up, router.outside.down]) {
    way.conditions = { latencyMs: LATENCY_MS, loss }
  }
}
