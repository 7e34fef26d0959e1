import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from '@jest/globals'
import { describeWith } from './peers/describe-with.js'
import { diskImage } from './peers/disk-image.js'
import { nbdkit } from './peers/nbdkit.js'
import { qemuNbd } from './peers/qemu-nbd.js'
import { scratchFolder } from './peers/scratch.js'
import type { Address } from './peers/server-peer.js'

const repository = fileURLToPath(new URL('../..', import.meta.url))

/** `npm start -- TARGET` without the setup. */
const start = async (target: string): Promise<string> => {
  const args = ['examples/dist/start.js', target]
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: repository })
  return stdout
}

const hostAndPort = (address: Address): string => {
  if (address.kind !== 'tcp') throw new Error('expected a TCP port')
  return `${address.host}:${address.port}`
}

describeWith('npm start', { programs: ['nbdkit', 'qemu-nbd'], installation: 'host' }, () => {
  it.each(['', 'nbd://'])('reads from a server of yours: %shost:port', async (scheme) => {
    const log = join(scratchFolder(), 'requests.log')
    const parameters = ['16M', `logfile=${log}`]
    const filters = ['log']
    const server = await nbdkit({
      installation: 'host',
      listenOn: '127.0.0.1',
      plugin: 'pattern',
      parameters,
      filters,
    })
    const report = await start(`${scheme}${hostAndPort(server.address)}`)
    expect(report).toContain('newstyle-fixed, structured replies')
    expect(report).toContain('16777216 bytes (16 MiB)')
    expect(report).toContain('state closed')
    expect(readFileSync(log, 'utf8')).not.toMatch(/ (Write|Zero|Trim) /)
  })

  it('reads from a named export over a unix socket', async () => {
    const server = await qemuNbd({ installation: 'host', image: diskImage(2 ** 20), exportName: 'disk' })
    if (server.address.kind !== 'unix') throw new Error('expected a unix socket')
    const report = await start(`nbd+unix:///disk?socket=${server.address.socketPath}`)
    expect(report).toContain('"disk"')
    expect(report).toContain('1048576 bytes (1 MiB)')
  })
})
