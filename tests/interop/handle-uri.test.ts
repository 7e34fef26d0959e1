import { renameSync, truncateSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { join } from 'node:path'
import { describe, expect, it } from '@jest/globals'
import { connect, connectUri, parseUri, type Transport, toUriAddress } from '@nbdjs/core'
import { tcp } from '@nbdjs/transport-tcp'
import { unix } from '@nbdjs/transport-unix'
import { describeWith } from './peers/describe-with.js'
import { installations } from './peers/installation.js'
import { nbdkit } from './peers/nbdkit.js'
import { scratchFolder } from './peers/scratch.js'
import type { ListenOn, ServerPeer } from './peers/server-peer.js'
import { transportTo } from './transport-to.js'

const transports = { tcp, unix }

const oddName = 'a b&socket=c;d%41é'

/** Two exports of different sizes. */
function twoDisks(): string {
  const folder = scratchFolder()
  for (const [name, size] of [
    ['plain', 4096],
    [oddName, 8192],
  ] as const) {
    writeFileSync(join(folder, name), '')
    truncateSync(join(folder, name), size)
  }
  return folder
}

/** Connects, then connects again by `handle.uri`, and checks that the export and the address are the same. */
async function connectTwice(transport: Transport, exportName: string): Promise<string> {
  const nbd = await connect(transport, { exportName })
  const uri = nbd.uri ?? 'none'
  expect(toUriAddress(parseUri(uri))).toEqual(transport.uri)
  const again = await connectUri(uri, { transports })
  expect(again.info).toMatchObject({ name: exportName, size: exportName === oddName ? 8192n : 4096n })
  expect([again.info.size, again.uri]).toEqual([nbd.info.size, uri])
  await Promise.all([nbd.shutdown(), again.shutdown()])
  return uri
}

describe.each(installations)('%s', (installation) => {
  describeWith('the URI of a handle', { programs: ['nbdkit'], installation }, () => {
    const start = (listenOn: ListenOn): Promise<ServerPeer> =>
      nbdkit({ installation, listenOn, plugin: 'file', parameters: [`dir=${twoDisks()}`] })

    // libnbd: nbd_get_uri
    it('connects to a unix socket with special characters in its path', async () => {
      const { address } = await start('unix')
      if (address.kind !== 'unix') throw new Error('expected a unix socket')
      const socketPath = join(scratchFolder(), `${oddName}#?.sock`)
      renameSync(address.socketPath, socketPath)
      const printed = await connectTwice(unix(socketPath), oddName)
      expect(printed).toContain('/a%20b%26socket%3Dc%3Bd%2541%C3%A9%23%3F.sock')
      await connectTwice(unix(socketPath), 'plain')
    })

    it('connects over IPv6', async () => {
      const server = await start('::1')
      const printed = await connectTwice(transportTo(server), oddName)
      expect(printed).toMatch(/^nbd:\/\/\[::1\]:\d+\/a%20b%26socket%3Dc%3Bd%2541%C3%A9$/)
    })

    if (process.platform === 'linux') {
      it('connects to an abstract socket', async () => {
        const { address } = await start('unix')
        if (address.kind !== 'unix') throw new Error('expected a unix socket')
        const { socketPath } = address
        const name = `\0${oddName}-${process.pid}-${installation}`
        // nbdkit cannot listen on an abstract socket by itself.
        const relay = net.createServer((socket) => {
          const onward = net.connect(socketPath)
          socket.pipe(onward).pipe(socket)
        })
        await new Promise<void>((resolve) => relay.listen(name, resolve))
        try {
          expect(await connectTwice(unix(name), oddName)).toContain('?socket=%00a%20b%26')
        } finally {
          await new Promise((resolve) => relay.close(resolve))
        }
      })
    }
  })
})
