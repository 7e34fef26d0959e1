import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import net from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { withScratchFolder } from './scratch-folder.js'

export type Place = 'unix' | 'tcp'

/** Runs `body` beside an nbdkit with these arguments: `null`, `8G`. */
export const withNbdkit = (
  place: Place,
  args: readonly string[],
  body: (uri: string) => Promise<void>,
): Promise<void> =>
  withScratchFolder(async (folder) => {
    const { listen, uri } = place === 'unix' ? onUnix(join(folder, 'nbd.sock')) : onTcp(await freePort())
    const pidFile = join(folder, 'pid')
    const server = spawn('nbdkit', ['--foreground', '--pidfile', pidFile, ...listen, ...args], {
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    const ended = new Promise((resolve) => server.once('exit', resolve))
    try {
      await once(server, 'spawn').catch((error: Error) => {
        throw new Error(
          `nbdkit could not be started (${error.message}): scripts/prepare-peers.mjs installs it`,
        )
      })
      await listening(server, pidFile)
      await body(uri)
    } finally {
      if (server.kill()) await ended
    }
  })

interface Where {
  readonly listen: readonly string[]
  readonly uri: string
}

const onUnix = (path: string): Where => ({
  listen: ['-U', path],
  uri: `nbd+unix:///?socket=${path}`,
})

const onTcp = (port: number): Where => ({
  listen: ['-i', '127.0.0.1', '-p', String(port)],
  uri: `nbd://127.0.0.1:${port}`,
})

const freePort = async (): Promise<number> => {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as net.AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** nbdkit writes its process id once it takes connections: nbdkit(1). */
const listening = async (server: ChildProcess, pidFile: string): Promise<void> => {
  while (!existsSync(pidFile)) {
    if (server.exitCode !== null) throw new Error(`nbdkit ended with exit code ${server.exitCode}`)
    await delay(5)
  }
}
