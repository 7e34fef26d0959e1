import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { memoryBackend, type ServerOptions } from '@nbdjs/server'
import { nodeTlsServer } from '@nbdjs/tls'
import { firstDifference } from './first-difference.js'
import { noise } from './noise.js'
import { describeWith } from './peers/describe-with.js'
import { installations } from './peers/installation.js'
import { nbdcopy } from './peers/nbdcopy.js'
import { nbdinfo } from './peers/nbdinfo.js'
import { qemuImg } from './peers/qemu-img.js'
import { scratchFolder } from './peers/scratch.js'
import { makeCertificates, makePskFile } from './peers/tls-credentials.js'
import { errorsOf, type ListenOn, listenOn, withServer } from './with-server.js'

const folder = mkdtempSync(join(tmpdir(), 'nbdjs-tls-'))
let pskFile: string

beforeAll(() => {
  makeCertificates(folder)
  pskFile = makePskFile(folder, 'alice')
})

afterAll(() => rmSync(folder, { recursive: true }))

interface Way {
  readonly name: string
  options(): Pick<ServerOptions, 'tls' | 'tlsProvider'>
  /** The URI for clients of libnbd. */
  uri(plain: string): string
}

const secured = (uri: string, user = ''): string => {
  const [scheme = '', rest = ''] = uri.split('://')
  return `${scheme.replace('nbd', 'nbds').replace('nbdss', 'nbds')}://${user}${rest.includes('?') ? rest : `${rest}/?`}`
}

const ways: readonly Way[] = [
  {
    name: 'a certificate',
    options: () => ({ tlsProvider: nodeTlsServer({ certificates: folder }) }),
    uri: (plain) => `${secured(plain)}&tls-certificates=${folder}`,
  },
  {
    name: 'a certificate on each side',
    options: () => ({ tlsProvider: nodeTlsServer({ certificates: folder, verifyPeer: true }) }),
    uri: (plain) => `${secured(plain)}&tls-certificates=${folder}`,
  },
  {
    name: 'a pre-shared key',
    options: () => ({ tlsProvider: nodeTlsServer({ pskFile }) }),
    uri: (plain) => `${secured(plain, 'alice@')}&tls-psk-file=${pskFile}`,
  },
]

describe.each(installations)('%s', (installation) => {
  describe.each(ways)('$name', ({ options, uri }) => {
    describeWith('nbdinfo', { programs: ['nbdinfo'], installation }, () => {
      it.each(listenOn)('reports the export over %s', async (where: ListenOn) => {
        await withServer(where, { exports: { '': memoryBackend(2 ** 20) }, ...options() }, async (plain) => {
          const report = await nbdinfo(uri(plain), { installation })
          expect(report).toMatchObject({ TLS: true, structured: true, exports: [{ 'export-size': 2 ** 20 }] })
        })
      })

      it('connects without TLS if it is optional', async () => {
        const all = { exports: { '': memoryBackend(2 ** 20) }, ...options(), tls: 'optional' } as const
        await withServer('unix', all, async (plain) => {
          expect(await nbdinfo(plain.replace('nbds', 'nbd'), { installation })).toMatchObject({ TLS: false })
          expect(await nbdinfo(uri(plain), { installation })).toMatchObject({ TLS: true })
        })
      })

      it('is rejected without TLS if it is required', async () => {
        await withServer('unix', { exports: { '': memoryBackend(2 ** 20) }, ...options() }, async (plain) => {
          await expect(nbdinfo(plain.replace('nbds', 'nbd'), { installation })).rejects.toThrow()
        })
      })
    })

    describeWith('nbdcopy', { programs: ['nbdcopy'], installation }, () => {
      it.each(listenOn)('copies to the server and back over %s', async (where: ListenOn) => {
        const data = noise(2 ** 22 + 512)
        const source = join(scratchFolder(), 'data.img')
        const copy = join(scratchFolder(), 'copy.img')
        writeFileSync(source, data)
        await withServer(
          where,
          { exports: { '': memoryBackend(data.length) }, ...options() },
          async (plain) => {
            await nbdcopy(source, uri(plain), { installation, options: ['--flush'] })
            await nbdcopy(uri(plain), copy, { installation })
          },
        )
        expect(firstDifference(readFileSync(copy), data)).toBeUndefined()
      })
    })
  })

  describeWith('clients with unknown keys', { programs: ['nbdinfo'], installation }, () => {
    it('are rejected, and the server reports the reason', async () => {
      const wrong = join(scratchFolder(), 'wrong.psk')
      writeFileSync(wrong, `alice:${'00'.repeat(32)}\n`)
      const tlsProvider = nodeTlsServer({ pskFile })
      const errors = await errorsOf(
        'unix',
        { exports: { '': memoryBackend(512) }, tlsProvider },
        async (plain) => {
          const stranger = `${secured(plain, 'alice@')}&tls-psk-file=${wrong}`
          await expect(nbdinfo(stranger, { installation })).rejects.toThrow()
        },
      )
      expect(errors).toMatchObject([{ operation: 'tls' }])
    })
  })

  describeWith('qemu-img', { programs: ['qemu-img'], installation }, () => {
    it('converts from the server', async () => {
      const data = noise(2 ** 20)
      const copy = join(scratchFolder(), 'copy.img')
      const exports = { '': memoryBackend(data.length, { content: data }) }
      const tlsProvider = nodeTlsServer({ certificates: folder, verifyPeer: true })
      await withServer('127.0.0.1', { exports, tlsProvider }, async (plain) => {
        const [, port] = /:(\d+)\/?$/.exec(plain) ?? []
        await qemuImg(
          installation,
          ...['convert', '--object', `tls-creds-x509,id=tls0,endpoint=client,dir=${folder}`, '--image-opts'],
          ...['-O', 'raw', `driver=nbd,host=127.0.0.1,port=${port},tls-creds=tls0`, copy],
        )
      })
      expect(firstDifference(readFileSync(copy), data)).toBeUndefined()
    })
  })
})
