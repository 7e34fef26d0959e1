import { join } from 'node:path'
import { expect } from '@jest/globals'
import { Server, type ServerOptions } from '@nbdjs/server'
import { scratchFolder } from './peers/scratch.js'

/** The kind of socket of the embedded server. */
export const listenOn = ['unix', '127.0.0.1', '::1'] as const
export type ListenOn = (typeof listenOn)[number]

/** Runs `body` with the URI of an embedded server. No error may be reported by `onError`. */
export const withServer = async (
  where: ListenOn,
  options: ServerOptions,
  body: (uri: string) => Promise<void>,
): Promise<void> => {
  const errors = await errorsOf(where, options, body)
  expect(errors).toEqual([])
}

/** Runs `body` with the URI of an embedded server and returns the errors that `onError` reported. */
export const errorsOf = async (
  where: ListenOn,
  options: ServerOptions,
  body: (uri: string) => Promise<void>,
): Promise<readonly Error[]> => {
  const errors: Error[] = []
  const server = new Server({ ...options, onError: (error) => errors.push(error) })
  try {
    const { uri } = await server.listen(
      where === 'unix' ? { path: join(scratchFolder(), 'nbd.sock') } : { host: where, port: 0 },
    )
    await body(uri)
  } finally {
    await server.close()
  }
  expect(server.connections).toBe(0)
  return errors
}
