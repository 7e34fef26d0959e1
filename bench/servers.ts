import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { pathOf } from './processes.js'

/** Runs `body` with an empty folder, then removes the folder. */
export const withScratchFolder = async (body: (folder: string) => Promise<void>): Promise<void> => {
  const folder = await mkdtemp(join(tmpdir(), 'nbdjs-bench-'))
  try {
    await body(folder)
  } finally {
    await rm(folder, { recursive: true })
  }
}

export type SocketKind = 'unix' | 'tcp'

/** Runs `body` with the URI of an nbdkit that was started with these arguments, such as `null`, `8G`. */
export const withNbdkit = (
  kind: SocketKind,
  args: readonly string[],
  body: (uri: string) => Promise<void>,
): Promise<void> =>
  withScratchFolder(async (folder) => {
    const { listen, uri } = kind === 'unix' ? onUnix(join(folder, 'nbd.sock')) : onTcp(await freePort())
    const pidFile = join(folder, 'pid')
    const server = spawn('nbdkit', ['--foreground', '--pidfile', pidFile, ...listen, ...args], {
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    const exited = new Promise((resolve) => server.once('exit', resolve))
    try {
      await once(server, 'spawn').catch((error: Error) => {
        throw new Error(`nbdkit: start failed: ${error.message}; install it with scripts/prepare-peers.mjs`)
      })
      await listening(server, pidFile)
      await body(uri)
    } finally {
      if (server.kill()) await exited
    }
  })

interface Endpoint {
  /** The arguments for nbdkit. */
  readonly listen: readonly string[]
  readonly uri: string
}

const onUnix = (path: string): Endpoint => ({
  listen: ['-U', path],
  uri: `nbd+unix:///?socket=${path}`,
})

const onTcp = (port: number): Endpoint => ({
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

/** nbdkit writes its process id once it accepts connections: nbdkit(1). */
const listening = async (server: ChildProcess, pidFile: string): Promise<void> => {
  while (!existsSync(pidFile)) {
    if (server.exitCode !== null) throw new Error(`nbdkit: exited with code ${server.exitCode}`)
    await delay(5)
  }
}

/** Runs `body` with the URI of an embedded server in its own process, with an empty disk of `size` bytes. */
export const withEmbeddedServer = (size: number, body: (uri: string) => Promise<void>): Promise<void> =>
  withScratchFolder(async (folder) => {
    const path = join(folder, 'nbd.sock')
    const args = [pathOf('embedded-server.js'), path, String(size)]
    const server = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] })
    try {
      await once(server.stdout, 'data')
      await body(`nbd+unix:///?socket=${path}`)
    } finally {
      server.stdin.end()
      await once(server, 'close')
    }
  })
