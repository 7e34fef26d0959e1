import { spawn } from 'node:child_process'
import { once } from 'node:events'
import net from 'node:net'
import os from 'node:os'

export const hasIpv6: boolean = Object.values(os.networkInterfaces())
  .flat()
  .some((entry) => entry?.address === '::1')

/** No server listens there: the port is reserved for an obsolete service. */
export const deadPort = 1

/** Listens on a port that the system chooses. */
export async function listening(server: net.Server, host: string): Promise<number> {
  server.listen(0, host)
  await once(server, 'listening')
  return (server.address() as net.AddressInfo).port
}

export interface SilentPort {
  readonly port: number
  close(): Promise<void>
}

// Its backlog holds two connections, and none is accepted: the kernel drops the next one.
const listener = `
  const server = require('net').createServer()
  server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () =>
    process.stdout.write(String(server.address().port), () =>
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)))`

/** A port of 127.0.0.1 where a dial is neither accepted nor refused. */
export async function silentPort(): Promise<SilentPort> {
  const child = spawn(process.execPath, ['-e', listener], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [output] = await once(child.stdout, 'data')
  const port = Number(output)
  const fillers: net.Socket[] = []
  do fillers.push(net.connect(port, '127.0.0.1').on('error', () => {}))
  while (fillers.length < 10 && (await isConnected(fillers.at(-1) as net.Socket)))
  const close = async (): Promise<void> => {
    for (const socket of fillers) socket.destroy()
    child.kill()
    await once(child, 'close')
  }
  return { port, close }
}

function isConnected(socket: net.Socket): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), 1000)
    socket.once('connect', () => {
      clearTimeout(timer)
      resolve(true)
    })
  })
}
