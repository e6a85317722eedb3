import assert from 'node:assert/strict'
import { type Endpoint, endpoint } from '../../src/core/endpoint.ts'
import { sourceAddressTowards } from '../../src/io/source-address.ts'
import { openUdpSocket } from '../../src/io/udp-socket.ts'

function literal(address: string, port: number): Endpoint {
  const result = endpoint(address, port)
  assert.ok(result.ok)
  return result.value
}

describe('sourceAddressTowards()', () => {
  it('is the loopback address towards loopback', async () => {
    assert.equal(await sourceAddressTowards(literal('127.0.0.2', 3478)), '127.0.0.1')
  })

  it('sends nothing', async () => {
    const listener = await openUdpSocket({ address: '127.0.0.1', port: 0 })
    let heard = 0
    listener.onDatagram(() => (heard += 1))

    await sourceAddressTowards(listener.local)
    const witness = await openUdpSocket({ address: '127.0.0.1', port: 0 })
    const heardWitness = new Promise<void>((done) => {
      listener.onDatagram(() => {
        heard += 1
        done()
      })
    })
    witness.send(listener.local, Buffer.from('after it'))
    await heardWitness

    assert.equal(heard, 1)
    await Promise.all([listener.close(), witness.close()])
  })

  it('is unknown where nothing can be sent to', async () => {
    assert.equal(await sourceAddressTowards(literal('255.255.255.255', 9)), undefined)
  })
})
