import { describe, expect, test } from '@jest/globals'
import { connect, type Handle, NbdTransportError } from '@nbdjs/core'
import { Cmd, ErrorValue, encodeSimpleReply, Opt, Rep } from '@nbdjs/core/wire'
import { octets } from '../bytes.js'
import { negotiating, ready } from './connected.js'
import { watchLeaks } from './leaks.js'
import { HandConnection } from './manual-connection.js'
import { readyOn } from './manual-connections.js'
import { ScriptedServer } from './scripted-server.js'
import { rejection, settled } from './settle-promises.js'

watchLeaks()

const readFrom = async (handle: Handle): Promise<unknown> => await handle.pread(512, 0)
const backUp = async (handle: Handle): Promise<unknown> => await readFrom(handle)
const restore = async (handle: Handle): Promise<unknown> => await handle.flush()

const stackOf = (error: unknown): string => (error as Error).stack ?? ''
/** The names of the functions that await, in order. */
const awaiting = (error: unknown): string[] =>
  [...stackOf(error).matchAll(/^ {4}at (?:async )?([\w$.]+) \(.*\/caller-stack\.test/gm)].map(
    ([, name]) => name as string,
  )

describe('C7: the stack of an error names the functions that await the call', () => {
  test('of an error of the server', async () => {
    const { handle, server } = await ready()
    const failing = rejection(backUp(handle))
    server.refuse(await server.request(Cmd.Read), ErrorValue.EIO)
    const error = await failing
    expect(awaiting(error)).toEqual(['readFrom', 'backUp'])
    expect(stackOf(error)).toMatch(/^NbdServerError: pread of 512 bytes at 0: server replied EIO\n {4}at /)
    handle.destroy()
  })

  test('of a lost connection, and of every caller', async () => {
    const { handle, server } = await ready()
    const failing = [backUp(handle), restore(handle)].map(rejection)
    await server.request(Cmd.Read)
    server.endOfFile()
    const [error] = await Promise.all(failing)
    expect(awaiting(error)).toEqual(expect.arrayContaining(['readFrom', 'backUp', 'restore']))
  })

  test('of an error of the transport', async () => {
    const { handle, server } = await ready()
    const failing = rejection(backUp(handle))
    await server.request(Cmd.Read)
    server.reset()
    const error = await failing
    expect(error).toBeInstanceOf(NbdTransportError)
    expect(awaiting(error)).toEqual(['readFrom', 'backUp'])
  })

  test('of a faulty transport', async () => {
    const connection = new HandConnection()
    const handle = await readyOn(connection, { structuredReplies: false })
    connection.accepts = undefined as never
    expect(awaiting(await rejection(backUp(handle)))).toEqual(['readFrom', 'backUp'])
  })

  test('of a failed handshake, and of a rejected option', async () => {
    const server = new ScriptedServer()
    const openDisk = async (): Promise<Handle> => await connect(server.transport)
    const failing = rejection(openDisk())
    await server.dialled()
    server.endOfFile()
    expect(awaiting(await failing)).toContain('openDisk')

    const { handle, server: other } = await negotiating()
    const listAll = async (): Promise<unknown> => await handle.optList()
    const listing = rejection(listAll())
    await other.option(Opt.List)
    other.reply(Opt.List, Rep.ErrPolicy)
    expect(awaiting(await listing)).toContain('listAll')
    handle.destroy()
  })

  test('of a dial that fails', async () => {
    const openDisk = async (): Promise<Handle> =>
      await connect({ address: 'none:', dial: () => Promise.reject(new Error('refused')) })
    expect(awaiting(await rejection(openDisk()))).toContain('openDisk')
  })

  test('of a shutdown during which the connection is lost', async () => {
    const { handle, server } = await ready()
    const flushing = rejection(handle.flush())
    const leave = async (): Promise<void> => await handle.shutdown()
    const leaving = rejection(leave())
    await server.request(Cmd.Flush)
    server.reset()
    expect(awaiting(await leaving)).toContain('leave')
    await flushing
  })

  test('of at most eight callers, when one error fails a thousand commands', async () => {
    const { handle, server } = await ready()
    const failing = Array.from({ length: 1000 }, () => rejection(backUp(handle)))
    await server.request(Cmd.Read)
    server.reset()
    const errors = await Promise.all(failing)
    expect(new Set(errors).size).toBe(1)
    expect(awaiting(errors[0])).toEqual(['readFrom', 'backUp'])
  })
})

describe('C7: promises settle in the order of the replies', () => {
  test.each([
    ['in one piece', 1],
    ['reply by reply, in one turn', 2],
  ])('if some of them fail, and the replies arrive %s', async (_, pieces) => {
    const { handle, server } = await ready()
    const count = 40
    const order: number[] = []
    const commands = Array.from({ length: count }, async (_, index) => {
      await handle.flush().catch(() => {})
      order.push(index)
    })
    const requests = []
    for (let index = 0; index < count; index++) requests.push(await server.request(Cmd.Flush))
    const replies = requests.map((request, index) =>
      encodeSimpleReply(request, index % 7 === 3 ? ErrorValue.EIO : 0),
    )
    if (pieces === 1) server.send(...replies)
    else for (const reply of replies) server.send(reply)
    await Promise.all(commands)
    expect(order).toEqual(Array.from({ length: count }, (_, index) => index))
    handle.destroy()
  })

  test('whichever microtask the next reply arrives in', async () => {
    for (let ticks = 0; ticks < 12; ticks++) {
      const connection = new HandConnection()
      const handle = await readyOn(connection, { structuredReplies: false })
      const order: string[] = []
      const commands = ['failed', 'first', 'second'].map(async (name) => {
        await handle.flush().catch(() => {})
        order.push(name)
      })
      await settled()
      const [failed, first, second] = [0, 1, 2].map((index) => {
        const reply = octets('67 44 66 98 00 00 00 00', '00 00 00 00 00 00 00 00')
        reply[7] = index === 0 ? ErrorValue.EIO : 0
        reply.set((connection.writes.at(-1) as Uint8Array).subarray(index * 28 + 8, index * 28 + 16), 8)
        return reply
      }) as [Uint8Array, Uint8Array, Uint8Array]
      connection.deliver(failed)
      for (let tick = 0; tick < ticks; tick++) await Promise.resolve()
      connection.deliver(first)
      await Promise.resolve()
      connection.deliver(second)
      await Promise.all(commands)
      expect([ticks, ...order]).toEqual([ticks, 'failed', 'first', 'second'])
      handle.destroy()
      connection.receiver.closed()
    }
  })
})
