import { describe, expect, it } from '@jest/globals'
import { memoryBackend, type ServerOptions } from '@nbdjs/server'
import { runClient } from './peers/client-peer.js'
import { describeWith } from './peers/describe-with.js'
import { type Installation, installations } from './peers/installation.js'
import { nbdinfo } from './peers/nbdinfo.js'
import { withServer } from './with-server.js'

const MiB = 2 ** 20
const foreignName = 'Gerät/ディスク 1%'

/** Unusual exports. */
const exports: ServerOptions['exports'] = {
  empty: memoryBackend(0),
  odd: memoryBackend(65537, { readOnly: true, rotational: true, description: 'a page and a byte' }),
  [foreignName]: memoryBackend(MiB, { description: '「ディスク」' }),
  ['x'.repeat(4096)]: memoryBackend(512),
  small: memoryBackend(MiB, { blockSize: { minimum: 512, preferred: 512, maximum: 512 } }),
}

const uriOf = (uri: string, name: string): string =>
  uri.replace('///', `///${name.split('/').map(encodeURIComponent).join('/')}`)

describe.each(installations)('%s', (installation: Installation) => {
  describeWith('nbdinfo', { programs: ['nbdinfo'], installation }, () => {
    const run = async (...args: readonly string[]): Promise<string> =>
      (await runClient('nbdinfo', installation, args)).stdout.trim()

    it('lists unusual exports', async () => {
      await withServer('unix', { exports }, async (uri) => {
        const report = await nbdinfo(uri, { installation, isList: true })
        expect(report.exports).toMatchObject(
          Object.entries(exports).map(([name, { size, description = '' }]) => ({
            'export-name': name,
            'export-size': size,
            ...(description === '' ? {} : { description }),
          })),
        )
      })
    })

    it('reports their sizes and maps', async () => {
      await withServer('unix', { exports }, async (uri) => {
        expect(await run('--size', uriOf(uri, 'empty'))).toBe('0')
        expect(await run('--map', uriOf(uri, 'empty'))).toBe('')
        expect(await run('--size', uriOf(uri, 'odd'))).toBe('65537')
        expect(await run('--map', '--totals', uriOf(uri, 'odd'))).toMatch(/^65537 100\.0%\s+3 hole,zero$/)
        expect(await run('--size', uriOf(uri, foreignName))).toBe(String(MiB))
      })
    })

    // Exit code 0 means yes, 2 means no.
    it('reports their abilities', async () => {
      await withServer('unix', { exports }, async (uri) => {
        const odd = uriOf(uri, 'odd')
        const [yes, no] = [
          ['--is=read-only', '--is=rotational', '--can=connect', '--can=read', '--can=flush', '--can=df'],
          ['--is=tls', '--can=write', '--can=trim', '--can=zero', '--can=fua'],
        ]
        for (const question of yes) await run(question, odd)
        for (const question of no) await expect(run(question, odd)).rejects.toThrow('exit code 2')
        // NBD_FLAG_SEND_DF is not set, because the export cannot answer a large read in one chunk.
        await expect(run('--can=df', uriOf(uri, 'small'))).rejects.toThrow('exit code 2')
      })
    })
  })

  describeWith('qemu-nbd', { programs: ['qemu-nbd'], installation }, () => {
    it('lists them with their block sizes and contexts', async () => {
      await withServer('127.0.0.1', { exports }, async (uri) => {
        const port = new URL(uri).port
        const { stdout } = await runClient('qemu-nbd', installation, ['-L', '-b', '127.0.0.1', '-p', port])
        expect(stdout).toContain('exports available: 5')
        expect(stdout).toContain(`export: '${foreignName}'\n  description: 「ディスク」\n  size:  1048576\n`)
        expect(stdout).toContain('min block: 512\n  opt block: 512\n  max block: 512\n')
        expect(stdout.match(/base:allocation/g)).toHaveLength(5)
      })
    })
  })
})
