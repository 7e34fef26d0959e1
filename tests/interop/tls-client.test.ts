import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { connect, connectUri, type Handle, negotiate } from '@nbdjs/core'
import { type NodeTlsOptions, nodeTls, uriTls } from '@nbdjs/tls'
import { tcp } from '@nbdjs/transport-tcp'
import { unix } from '@nbdjs/transport-unix'
import { firstDifference } from './first-difference.js'
import { noise } from './noise.js'
import { describeWith } from './peers/describe-with.js'
import { installations } from './peers/installation.js'
import { nbdkit } from './peers/nbdkit.js'
import type { ListenOn, ServerPeer } from './peers/server-peer.js'
import { makeCertificates, makePskFile, pskOf } from './peers/tls-credentials.js'
import { type KindOfTlsServer, kindsOfTlsServer, type TlsServerOptions } from './tls-servers.js'
import { transportTo } from './transport-to.js'
import { uriTo } from './uri-to.js'

const folder = mkdtempSync(join(tmpdir(), 'nbdjs-tls-'))
const strangers = mkdtempSync(join(tmpdir(), 'nbdjs-tls-'))
let pskFile: string

beforeAll(() => {
  makeCertificates(folder)
  makeCertificates(strangers)
  pskFile = makePskFile(folder, 'alice', 'bob')
})

afterAll(() => {
  for (const path of [folder, strangers]) rmSync(path, { recursive: true })
})

const listenOn: readonly ListenOn[] = ['unix', '127.0.0.1', '::1']
const client: Readonly<Record<TlsServerOptions['by'], () => NodeTlsOptions>> = {
  certificate: () => ({ certificates: folder }),
  psk: () => ({ pskFile, username: 'alice' }),
}

const pem = (name: string): string => readFileSync(join(folder, name), 'utf8')

const open = (
  server: ServerPeer,
  { exportName }: KindOfTlsServer,
  options: NodeTlsOptions,
): Promise<Handle> =>
  connect(transportTo(server), { exportName, tls: 'require', tlsProvider: nodeTls(options) })

/** Writes and reads, small and large, with many commands in flight, and shuts down. */
async function use(nbd: Handle): Promise<void> {
  expect(nbd.session.tls).toBe(true)
  const data = noise(2 ** 20)
  await nbd.pwrite(data, 4096)
  const pieces = Array.from({ length: 64 }, (_, index) => nbd.pread(512, 4096 + index * 512))
  const whole = await nbd.pread(data.length, 4096)
  expect(firstDifference(whole, data)).toBeUndefined()
  for (const [index, piece] of (await Promise.all(pieces)).entries())
    expect(piece).toEqual(data.slice(index * 512, (index + 1) * 512))
  await nbd.shutdown()
  expect(nbd.state).toBe('closed')
}

for (const kind of kindsOfTlsServer) {
  const { name, program, installation } = kind
  describeWith(`${name} with TLS`, { programs: [program], installation }, () => {
    describe.each(kind.speaks)('by %s', (by) => {
      it.each(listenOn)('reads and writes over %s', async (where) => {
        const server = await kind.start({ listenOn: where, folder, by })
        await use(await open(server, kind, client[by]()))
      })

      if (kind.hasVersions) {
        it.each(['TLS1.2', 'TLS1.3'] as const)('negotiates %s', async (version) => {
          const server = await kind.start({ listenOn: 'unix', folder, by, version })
          await use(await open(server, kind, client[by]()))
        })
      }

      it('rejects a client without TLS', async () => {
        const server = await kind.start({ listenOn: 'unix', folder, by })
        const connecting = connect(transportTo(server), { exportName: kind.exportName })
        await expect(connecting).rejects.toMatchObject({ code: 'ERR_NBD_NEGOTIATION' })
      })
    })

    it('is rejected if its authority is unknown, over TCP and unix', async () => {
      for (const where of ['unix', '127.0.0.1'] as const) {
        const server = await kind.start({ listenOn: where, folder, by: 'certificate' })
        await expect(open(server, kind, { certificates: strangers })).rejects.toMatchObject({
          operation: 'tls',
          errno: 'EACCES',
        })
      }
    })

    it('is rejected with another name, and accepted by its fingerprint', async () => {
      const start = (): Promise<ServerPeer> => kind.start({ listenOn: 'unix', folder, by: 'certificate' })
      const own = { cert: pem('client-cert.pem'), key: pem('client-key.pem') }
      const ca = pem('ca-cert.pem')
      await expect(open(await start(), kind, { ca, serverName: 'tape.example' })).rejects.toThrow(
        'not for "tape.example"',
      )
      await use(await open(await start(), kind, { ca, ...own, serverName: 'localhost' }))
      await use(await open(await start(), kind, { ...own, pinnedCertificate: pem('server-cert.pem') }))
      await expect(open(await start(), kind, { pinnedCertificate: pem('client-cert.pem') })).rejects.toThrow(
        'is not the pinned one',
      )
    })

    it('requires a certificate of the client', async () => {
      const start = (): Promise<ServerPeer> =>
        kind.start({ listenOn: '127.0.0.1', folder, by: 'certificate', verifyPeer: true })
      await use(await open(await start(), kind, { certificates: folder }))
      await expect(open(await start(), kind, { ca: pem('ca-cert.pem') })).rejects.toMatchObject({
        code: 'ERR_NBD_TRANSPORT',
        message: expect.stringMatching(/certificate|disconnected during the handshake/),
      })
    })

    if (kind.speaks.includes('psk')) {
      it('rejects an unknown key and an unknown user', async () => {
        const start = (): Promise<ServerPeer> => kind.start({ listenOn: 'unix', folder, by: 'psk' })
        const key = pskOf(pskFile, 'alice')
        for (const psk of [
          { username: 'bob', key },
          { username: 'mallory', key },
        ]) {
          const error = await open(await start(), kind, { psk }).then(
            () => new Error('it was let in'),
            (reason: Error) => reason,
          )
          expect(error.message).toMatch(/username|pre-shared key/)
          expect(error.message).not.toContain(Buffer.from(key).toString('hex'))
        }
      })

      it('does not accept a certificate instead of the key', async () => {
        const server = await kind.start({ listenOn: 'unix', folder, by: 'certificate' })
        await expect(open(server, kind, client.psk())).rejects.toMatchObject({ operation: 'tls' })
      })
    }
  })
}

describe.each(installations)('%s', (installation) => {
  describeWith('nbdkit', { programs: ['nbdkit'], installation }, () => {
    const start = (...options: readonly string[]): Promise<ServerPeer> =>
      nbdkit({ installation, plugin: 'memory', parameters: ['1M'], options })
    const tlsProvider = (): ReturnType<typeof nodeTls> => nodeTls({ certificates: folder })

    it.each([
      ['--oldstyle', 'the server speaks oldstyle'],
      ['--mask-handshake=0', 'the server speaks plain newstyle'],
      ['--tls=off', 'NBD_OPT_STARTTLS: server replied NBD_REP_ERR_POLICY'],
    ])('never connects without TLS if it is required: %s', async (option, message) => {
      const connecting = connect(transportTo(await start(option)), {
        tls: 'require',
        tlsProvider: tlsProvider(),
      })
      await expect(connecting).rejects.toMatchObject({
        code: 'ERR_NBD_NEGOTIATION',
        errno: 'ENOTSUP',
        message: expect.stringContaining(message),
      })
    })

    it.each(['--oldstyle', '--mask-handshake=0', '--tls=off'])(
      'connects without TLS if it is allowed: %s',
      async (option) => {
        const nbd = await connect(transportTo(await start(option)), {
          tls: 'allow',
          tlsProvider: tlsProvider(),
        })
        expect(nbd.session.tls).toBe(false)
        expect(await nbd.pread(4, 0)).toEqual(new Uint8Array(4))
        await nbd.shutdown()
      },
    )

    it('starts TLS in opt mode, once', async () => {
      const server = await start('--tls=on', `--tls-certificates=${folder}`)
      const nbd = await negotiate(transportTo(server), { tlsProvider: tlsProvider() })
      expect(nbd.session).toMatchObject({ tls: false, structuredReplies: true })
      expect(await nbd.optStartTls()).toBe(true)
      expect(nbd.session).toMatchObject({ tls: true, structuredReplies: false })
      await expect(nbd.optStartTls()).rejects.toMatchObject({ code: 'ERR_NBD_STATE' })
      expect(await nbd.optStructuredReply()).toBe(true)
      await nbd.optInfo()
      await nbd.optGo()
      expect(await nbd.pread(4, 0)).toEqual(new Uint8Array(4))
      await nbd.shutdown()
    })

    it('rejects TLS in opt mode', async () => {
      const nbd = await negotiate(transportTo(await start('--tls=off')), { tlsProvider: tlsProvider() })
      expect(await nbd.optStartTls()).toBe(false)
      await nbd.optGo()
      await nbd.shutdown()
    })

    it('can be connected by a URI', async () => {
      const transports = { tcp, unix }
      const options = { transports, tlsProvider: uriTls(), allow: { localFiles: true } } as const
      const byCertificate = await start('--tls=require', `--tls-certificates=${folder}`)
      const uri = uriTo(byCertificate).replace('nbd', 'nbds')
      const one = await connectUri(`${uri}&tls-certificates=${folder}`, options)
      expect(one.session.tls).toBe(true)
      expect(one.uri).toBe(`${uri}&tls-certificates=${folder}`)
      await one.shutdown()
      await expect(connectUri(`${uri}&tls-certificates=${strangers}`, options)).rejects.toThrow('trusted')
      const lax = await connectUri(`${uri}&tls-verify-peer=0`, options)
      await lax.shutdown()

      const byKey = await start('--tls=require', `--tls-psk=${pskFile}`)
      const other = uriTo(byKey).replace('nbd+unix://', 'nbds+unix://bob@')
      const two = await connectUri(`${other}&tls-psk-file=${pskFile}`, options)
      expect(two.session.tls).toBe(true)
      await two.shutdown()
      const tlsProvider = nodeTls({ pskFile, username: 'bob' })
      const three = await connect(transportTo(byKey), { tls: 'require', tlsProvider })
      expect(three.uri).toBe(two.uri)
      await three.shutdown()
      const four = await connectUri(three.uri ?? '', options)
      expect(four.session.tls).toBe(true)
      await four.shutdown()
    })
  })
})
