import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from '@jest/globals'
import { describeWith } from './peers/describe-with.js'
import { installations } from './peers/installation.js'
import { nbdinfoMapText } from './peers/nbdinfo.js'
import { nbdkit } from './peers/nbdkit.js'
import { qemuNbd } from './peers/qemu-nbd.js'
import { changeImage, qcow2Image } from './qcow2-image.js'
import { uriTo } from './uri-to.js'

const repository = fileURLToPath(new URL('../..', import.meta.url))
const GiB = 2 ** 30

/** Runs the built examples/map.ts. */
const map = async (...args: readonly string[]): Promise<string> => {
  const { stdout } = await promisify(execFile)(process.execPath, ['examples/dist/map.js', ...args], {
    cwd: repository,
  })
  return stdout
}

describe.each(installations)('%s', (installation) => {
  const programs = ['nbdkit', 'nbdinfo', 'qemu-img', 'qemu-nbd'] as const

  describeWith('the example map', { programs, installation }, () => {
    it('prints the same as nbdinfo --map', async () => {
      const parameters = ['size=8G', 'seed=7', 'percent=1']
      const server = await nbdkit({ installation, plugin: 'sparse-random', parameters })
      const text = await map(uriTo(server))
      expect(text.split('\n').length).toBeGreaterThan(10)
      expect(text).toBe(await nbdinfoMapText(uriTo(server), { installation, context: 'base:allocation' }))
    })

    it('prints another context of a named export', async () => {
      const context = 'qemu:allocation-depth'
      const image = await qcow2Image(installation, { size: 8 * GiB })
      await changeImage(installation, image, (nbd) => nbd.pwrite(new Uint8Array(512), 5 * GiB))
      const options = ['--read-only', '--allocation-depth']
      const server = await qemuNbd({ installation, image, format: 'qcow2', exportName: 'a disk', options })
      const uri = uriTo(server, 'a disk')
      const text = await map(uri, context)
      expect(text).toBe(await nbdinfoMapText(uri, { installation, context }))
      expect(text).toMatch(/^ {9}0 {2}5368709120 {4}0 {2}absent\n5368709120 {7}65536 {4}1 {2}local\n/)
    })

    it('fails if the server has no block status', async () => {
      const filters = ['noextents']
      const options = ['--no-sr']
      const server = await nbdkit({ installation, plugin: 'memory', parameters: ['1M'], filters, options })
      await expect(map(uriTo(server))).rejects.toMatchObject({
        code: 1,
        stdout: '',
        stderr: expect.stringMatching(
          /^NbdNegotiationError: meta context "base:allocation" of export "": meta contexts need structured replies/,
        ),
      })
    })
  })
})
