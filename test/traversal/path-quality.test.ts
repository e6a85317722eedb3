import assert from 'node:assert/strict'
import { instant } from '../../src/core/instant.ts'
import { PathQuality } from '../../src/traversal/path-quality.ts'

const NOW = instant(0)

describe('PathQuality', () => {
  it('counts an outage that is over as one loss, so that the path is soon worth using again', () => {
    const quality = new PathQuality()
    quality.noteAnswer(NOW, 20)
    for (let lost = 0; lost < 8; lost++) quality.noteLoss()
    const during = quality.penaltyPercent

    quality.noteAnswer(NOW, 20)

    assert.ok(during > 30, `${during} %`)
    assert.equal(quality.penaltyPercent, 0)
  })

  it('counts losses between answers one by one', () => {
    const quality = new PathQuality()
    for (let pair = 0; pair < 5; pair++) {
      quality.noteLoss()
      quality.noteAnswer(NOW, 20)
    }

    assert.equal(quality.lossRatio, 0.5)
    assert.equal(quality.penaltyPercent, 20)
  })
})
