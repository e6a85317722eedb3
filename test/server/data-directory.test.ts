import assert from 'node:assert/strict'
import { chmod, mkdir, readdir, stat, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:tls'
import { once } from 'node:events'
import { join } from 'node:path'
import { tlsIdentity } from '../../src/server/certificate.ts'
import { DataDirectory } from '../../src/server/data-directory.ts'
import { inTemporaryDirectory } from '../support/temporary-directory.ts'

async function modeOf(path: string): Promise<number> {
  return (await stat(path)).mode & 0o777
}

describe('DataDirectory', () => {
  it('is the owner’s alone, also where it was open before', async () => {
    await inTemporaryDirectory(async (parent) => {
      const fresh = new DataDirectory(join(parent, 'a', 'b'))
      const open = new DataDirectory(join(parent, 'open'))
      await mkdir(open.path)
      await chmod(open.path, 0o755)

      await fresh.prepare()
      await open.prepare()
      await open.write('secret', 'text')

      assert.equal(await modeOf(fresh.path), 0o700)
      assert.equal(await modeOf(open.path), 0o700)
      assert.equal(await modeOf(join(open.path, 'secret')), 0o600)
      assert.equal(await open.read('secret'), 'text')
      assert.equal(await open.read('nothing'), undefined)
      assert.deepEqual(await readdir(open.path), ['secret'])
    })
  })

  it('says in one line why it cannot be used', async () => {
    await inTemporaryDirectory(async (parent) => {
      await writeFile(join(parent, 'file'), '')
      const error = /^HollerError: Cannot use the data directory ".*": \w+$/

      await assert.rejects(new DataDirectory(join(parent, 'file', 'x')).prepare(), error)
      await assert.rejects(new DataDirectory('/proc/holler').prepare(), error)
    })
  })
})

describe('tlsIdentity()', () => {
  it('makes a key and a certificate once, which TLS 1.3 takes and whose key the pin is of', async () => {
    await inTemporaryDirectory(async (path) => {
      const directory = new DataDirectory(path)
      const made = await tlsIdentity(directory, Date.now())
      const read = await tlsIdentity(directory, Date.now())
      const server = createServer({
        key: made.keyPem,
        cert: made.certificatePem,
        minVersion: 'TLSv1.3',
      })
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')

      const { port } = server.address() as { port: number }
      const client = connect({ port, host: '127.0.0.1', rejectUnauthorized: false })
      await once(client, 'secureConnect')
      const certificate = client.getPeerX509Certificate()
      client.destroy()
      server.close()

      assert.deepEqual(read, made)
      assert.equal(made.pin?.length, 32)
      assert.equal(certificate?.publicKey.asymmetricKeyDetails?.namedCurve, 'prime256v1')
      assert.equal(await modeOf(join(path, 'tls-key.pem')), 0o600)
    })
  })

  it('does not replace an identity that is damaged: people have its link', async () => {
    await inTemporaryDirectory(async (path) => {
      const directory = new DataDirectory(path)
      await tlsIdentity(directory, Date.now())

      await directory.write('tls-certificate.pem', 'not a certificate')

      await assert.rejects(
        tlsIdentity(directory, Date.now()),
        /TLS key or certificate .* is damaged/,
      )
    })
  })
})
