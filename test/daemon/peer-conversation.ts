/** What two people say to each other all the while, of which nothing may be lost, doubled or out of order. */
import assert from 'node:assert/strict'
import type { PeerScene } from './peer-scene.ts'

/** Alice and Bob talk all the time, ten lines a second in all; what is said while nothing is taken is said again. */
export class Conversation {
  readonly scene: PeerScene
  readonly #said = [0, 0]
  #isOver = false

  constructor(scene: PeerScene) {
    this.scene = scene
    this.#speak()
  }

  get lines(): readonly [number, number] {
    return [this.#said[0] ?? 0, this.#said[1] ?? 0]
  }

  stop(): void {
    this.#isOver = true
  }

  /** Everything arrived, once and in its order. */
  finish(): void {
    this.stop()
    const { scene } = this
    const [ofAlice, ofBob] = this.lines
    const isThere = (): boolean =>
      scene.bob.received.length >= ofAlice && scene.alice.received.length >= ofBob
    assert.ok(scene.runUntil(isThere, 20_000), 'something is lost')
    scene.world.runFor(3_000)
    assert.deepEqual(scene.bob.received, countTo(ofAlice))
    assert.deepEqual(scene.alice.received, countTo(ofBob))
    for (const side of scene.sides) assert.equal(side.all('peer-closed').length, 0)
  }

  #speak(): void {
    if (this.#isOver) return
    for (const [index, side] of this.scene.sides.entries()) {
      const next = this.#said[index] ?? 0
      if (!side.host.isSuspended && side.say(String(next))) this.#said[index] = next + 1
    }
    this.scene.world.after(200, () => this.#speak())
  }
}

function countTo(count: number): readonly string[] {
  return Array.from({ length: count }, (_, n) => String(n))
}
