import { connect, createServer, type NetConnectOpts } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type PeerProcess, startPeer } from './peer-process.js'
import { scratchFolder } from './scratch.js'

/** The kind of socket: a unix socket, or a TCP port of a loopback address. */
export type ListenOn = 'unix' | '127.0.0.1' | '::1'

export type Address =
  | { readonly kind: 'unix'; readonly socketPath: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }

export interface ServerPeer extends PeerProcess {
  readonly address: Address
}

export interface ServerProgram {
  /** The command line of a server that listens at `address`, in the foreground. */
  commandLine(address: Address): readonly string[]
  /** Returns whether the server listens. By default a connection is tried. */
  readonly isListening?: (address: Address) => boolean | Promise<boolean>
}

const readyLimitMs = 10_000
const portAttempts = 5

/**
 * Starts a server and resolves once it listens.
 *
 * @throws {Error} The server exited or does not listen in time; the message has its error output.
 */
export const startServer = async (listenOn: ListenOn, program: ServerProgram): Promise<ServerPeer> => {
  if (listenOn === 'unix') {
    return startAt({ kind: 'unix', socketPath: join(scratchFolder(), 'nbd.sock') }, program)
  }
  for (let attempt = 1; ; attempt++) {
    try {
      return await startAt({ kind: 'tcp', host: listenOn, port: await freePort(listenOn) }, program)
    } catch (error) {
      // Another process took the port between the check and the start.
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
    const reason = peer.end() ?? (isLate ? `not listening after ${readyLimitMs} ms` : undefined)
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
 * A port that is free now. It is below the range of outgoing connections (ip(7), ip_local_port_range), therefore only
 * another server can take it.
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
