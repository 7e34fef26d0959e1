import { once } from 'node:events'
import net from 'node:net'

/** A pseudo-random number from 0 to 1, exclusive: the same numbers for the same seed (mulberry32). */
export const randomOf = (seed: number): (() => number) => {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** A proxy of a server that forwards each chunk after a pause, in both directions. */
export interface PausingProxy {
  readonly server: net.Server
  close(): Promise<void>
}

/** Starts a proxy. `pauseMs` returns the length of the next pause. */
export const pausingProxy = async (
  listenOn: net.ListenOptions,
  target: net.NetConnectOpts,
  pauseMs: () => number,
): Promise<PausingProxy> => {
  const sockets = new Set<net.Socket>()
  const forward = (from: net.Socket, to: net.Socket): void => {
    sockets.add(from)
    from.on('error', () => to.destroy())
    from.on('close', () => to.destroy())
    from.on('end', () => to.end())
    from.on('data', (chunk) => {
      from.pause()
      setTimeout(() => to.write(chunk, () => from.resume()), pauseMs())
    })
  }
  const server = net.createServer({ allowHalfOpen: true }, (near) => {
    const far = net.connect({ ...target, allowHalfOpen: true })
    forward(near, far)
    forward(far, near)
  })
  server.listen(listenOn)
  await once(server, 'listening')
  return {
    server,
    close: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
