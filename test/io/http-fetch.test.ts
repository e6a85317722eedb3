import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fetchHttp, type HttpOutcome } from '../../src/io/http-fetch.ts'

const get = { method: 'GET', headers: {}, body: new Uint8Array() } as const

describe('fetchHttp()', () => {
  let server: Server | undefined

  async function serve(listener: RequestListener): Promise<string> {
    server = createServer(listener).listen(0, '127.0.0.1')
    await once(server, 'listening')
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  afterEach(() => {
    server?.closeAllConnections()
    server?.close()
    server = undefined
  })

  function whyOf(outcome: HttpOutcome): string | undefined {
    return outcome.kind === 'failed' ? outcome.why : undefined
  }

  it('posts a body with its headers, and gives status and body whatever they are', async () => {
    const url = await serve((request, response) => {
      let body = ''
      request.on('data', (part) => (body += String(part)))
      request.on('end', () => {
        const { soapaction, connection, 'content-length': length } = request.headers
        const text = [request.method, request.url, soapaction, connection, length, body]
        response.writeHead(500).end(JSON.stringify(text))
      })
    })
    const outcome = await fetchHttp({
      method: 'POST',
      url: `${url}/ctl`,
      headers: { soapaction: '"x#y"' },
      body: Buffer.from('hello'),
    })

    assert.equal(outcome.kind, 'answered')
    assert.equal(outcome.status, 500)
    assert.deepEqual(JSON.parse(Buffer.from(outcome.body).toString()), [
      ...['POST', '/ctl', '"x#y"', 'close', '5', 'hello'],
    ])
  })

  it('follows no redirect', async () => {
    const url = await serve((_request, response) => {
      response.writeHead(302, { location: 'http://198.51.100.1/' }).end()
    })
    const outcome = await fetchHttp({ ...get, url })

    assert.equal(outcome.kind === 'answered' && outcome.status, 302)
  })

  it('stops at 64 KiB', async () => {
    const url = await serve((_request, response) => {
      response.end(Buffer.alloc(65_537))
    })

    assert.equal(whyOf(await fetchHttp({ ...get, url })), 'the answer is too long')
  })

  it('does not wait for a server that is silent, or that never comes to an end', async () => {
    const listeners: readonly RequestListener[] = [
      () => undefined,
      (_request, response) => void response.write('so'),
    ]
    for (const listener of listeners) {
      const url = await serve(listener)
      const limits = { timeoutMs: 30, bodyBytes: 1000 }

      assert.equal(whyOf(await fetchHttp({ ...get, url }, limits)), 'timed out')
      server?.closeAllConnections()
      server?.close()
    }
  })

  it('tells a refused connection as a failure', async () => {
    const url = await serve(() => undefined)
    server?.close()

    assert.match(whyOf(await fetchHttp({ ...get, url })) ?? '', /ECONNREFUSED/)
  })

  it('goes nowhere but to literal addresses, by plain HTTP', async () => {
    for (const url of ['https://127.0.0.1/', 'http://localhost/', 'file:///etc/passwd', 'x']) {
      assert.equal(whyOf(await fetchHttp({ ...get, url })), 'not plain HTTP to an address')
    }
  })
})
