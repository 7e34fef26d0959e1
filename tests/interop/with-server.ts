import { join } from 'node:path'
import { expect } from '@jest/globals'
import { Server, type ServerOptions } from '@nbdjs/server'
import { scratchFolder } from './peers/scratch.js'

/** Where a server of ours listens. */
export const listenOn = ['unix', '127.0.0.1', '::1'] as const
export type ListenOn = (typeof listenOn)[number]

/** Runs `body` beside a server of ours, which must have had nothing to complain about. */
export const withServer = async (
  where: ListenOn,
  options: ServerOptions,
  body: (uri: string) => Promise<void>,
): Promise<void> => {
  const complaints = await complaintsOf(where, options, body)
  expect(complaints).toEqual([])
}

/** Runs `body` beside a server of ours, and tells what it had to complain about. */
export const complaintsOf = async (
  where: ListenOn,
  options: ServerOptions,
  body: (uri: string) => Promise<void>,
): Promise<readonly Error[]> => {
  const complaints: Error[] = []
  const server = new Server({ ...options, onError: (error) => complaints.push(error) })
  try {
    const { uri } = await server.listen(
      where === 'unix' ? { path: join(scratchFolder(), 'nbd.sock') } : { host: where, port: 0 },
    )
    await body(uri)
  } finally {
    await server.close()
  }
  expect(server.connections).toBe(0)
  return complaints
}
