import net from 'node:net'
import { describe, expect, it } from '@jest/globals'
import { NbdTransportError } from '@nbdjs/core'
import { dialSocket } from '@nbdjs/node-socket'

const address = 'test:'
const { signal } = new AbortController()

const failureOf = async (dial: Promise<unknown>): Promise<unknown> =>
  await dial.then(
    () => undefined,
    (reason) => reason,
  )

describe('dialSocket', () => {
  it('makes no socket when it is aborted before', async () => {
    let isCreated = false
    const create = (): net.Socket => {
      isCreated = true
      return new net.Socket()
    }
    const reason = new Error('too late')
    expect(await failureOf(dialSocket({ address, signal: AbortSignal.abort(reason), create }))).toBe(reason)
    expect(isCreated).toBe(false)
  })

  it('maps what create throws', async () => {
    const create = (): net.Socket => net.connect({ port: 65536 })
    const error = await failureOf(dialSocket({ address, signal, create }))
    expect(error).toBeInstanceOf(NbdTransportError)
    expect(error).toMatchObject({ operation: 'dial', address, errno: 'ERR_SOCKET_BAD_PORT' })
  })

  it('rejects when the socket is closed before it is connected', async () => {
    const socket = new net.Socket()
    const dial = dialSocket({ address, signal, create: () => socket })
    socket.destroy()
    const error = await failureOf(dial)
    expect(error).toMatchObject({ operation: 'dial', errno: 'ECONNRESET' })
    expect((error as Error).message).toBe(
      'dial of test: failed: the socket was closed before it was connected',
    )
  })

  it('has destroyed the socket by the time it rejects', async () => {
    const socket = new net.Socket()
    const controller = new AbortController()
    const dial = dialSocket({ address, signal: controller.signal, create: () => socket })
    controller.abort()
    expect(await failureOf(dial)).toBe(controller.signal.reason)
    expect(socket.closed).toBe(true)
  })
})
