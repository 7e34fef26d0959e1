/** Servers that others wrote: started on a socket of their own, and ready when the promise resolves. */
import { connect, createServer, type NetConnectOpts } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type PeerProcess, startPeer } from './peer-process.js'
import { scratchFolder } from './scratch.js'

/** Where a server shall listen: on a unix socket, or on a TCP port of a loopback address. */
export type ListenOn = 'unix' | '127.0.0.1' | '::1'

export type Address =
  | { readonly kind: 'unix'; readonly socketPath: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }

export interface ServerPeer extends PeerProcess {
  readonly address: Address
}

export interface ServerProgram {
  /** The command line of a server that listens there, in the foreground. */
  commandLine(address: Address): readonly string[]
  /** Whether it listens by now; the default tries to connect. */
  readonly isListening?: (address: Address) => boolean | Promise<boolean>
}

const readyLimitMs = 10_000
const portAttempts = 5

/**
 * Starts a server and resolves when it listens.
 *
 * @throws {Error} with the server's standard error, if it ends before or does not listen in time.
 */
export const startServer = async (listenOn: ListenOn, program: ServerProgram): Promise<ServerPeer> => {
  if (listenOn === 'unix') {
    return startAt({ kind: 'unix', socketPath: join(scratchFolder(), 'nbd.sock') }, program)
  }
  for (let attempt = 1; ; attempt++) {
    try {
      return await startAt({ kind: 'tcp', host: listenOn, port: await freePort(listenOn) }, program)
    } catch (error) {
      // Somebody took the port between our look and the server's.
      const isTaken = error instanceof Error && /address already in use/i.test(error.message)
      if (!isTaken || attempt === portAttempts) throw error
    }
  }
}

const startAt = async (address: Address, program: ServerProgram): Promise<ServerPeer> => {
  const { isListening = canConnect } = program
  const argv = program.commandLine(address)
  const peer = await startPeer(argv)
  const startedAt = performance.now()
  while (!(await isListening(address))) {
    const isLate = performance.now() - startedAt > readyLimitMs
    const reason = peer.end() ?? (isLate ? `it does not listen after ${readyLimitMs} ms` : undefined)
    if (reason !== undefined) {
      await peer.stop()
      throw new Error(`${argv.join(' ')} did not start (${reason}):\n${peer.stderr()}`)
    }
    await delay(10)
  }
  return { ...peer, address }
}

const canConnect = (address: Address): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(connectOptions(address))
    socket.on('error', () => resolve(false))
    socket.on('connect', () => {
      socket.destroy()
      resolve(true)
    })
  })

const connectOptions = (address: Address): NetConnectOpts =>
  address.kind === 'unix' ? { path: address.socketPath } : { host: address.host, port: address.port }

/**
 * A port that is free now, below the range from which the system takes those of outgoing connections
 * (ip(7), ip_local_port_range), so that only another server could take it first.
 */
const freePort = async (host: string): Promise<number> => {
  const port = 20_000 + Math.floor(Math.random() * 12_000)
  const isFree = await new Promise<boolean>((resolve) => {
    const server = createServer()
    server.on('error', () => resolve(false))
    server.listen({ host, port }, () => server.close(() => resolve(true)))
  })
  return isFree ? port : freePort(host)
}
