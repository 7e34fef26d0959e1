import { describe, expect, jest, test } from '@jest/globals'
import type { CommandOptions, Handle } from '@nbdjs/core'
import { Cmd, encodeSimpleReply } from '@nbdjs/core/wire'
import { joined, octets, repeated } from '../bytes.js'
import { ready } from './connected.js'
import { watchLeaks } from './leaks.js'
import { HandConnection } from './manual-connection.js'
import { end, readyOn } from './manual-connections.js'
import { outcomeOf, rejection, settled } from './settle-promises.js'

watchLeaks()

const LENGTH = 3 * 1024 * 1024
const HEADER_LENGTH = 28

/** A connection that holds the very memory of each write until the test flushes it. */
class LendingConnection extends HandConnection {
  readonly held: Uint8Array[] = []
  isDestroyed = false

  override write(chunks: readonly Uint8Array[]): boolean {
    if (!this.isDestroyed) this.held.push(...chunks)
    return false
  }

  override destroy(): void {
    this.isDestroyed = true
    super.destroy()
  }

  /** Sends what is held, as it is now. */
  flush(): Uint8Array {
    const sent = joined(...this.held.splice(0))
    this.receiver.drained()
    return sent
  }
}

interface Scene {
  readonly handle: Handle
  readonly connection: LendingConnection
}

async function lending(): Promise<Scene> {
  const connection = new LendingConnection()
  const readying = readyOn(connection, { structuredReplies: false, size: 2 ** 40 })
  for (let round = 0; round < 20; round++) {
    await settled()
    if (connection.held.length > 0) connection.flush()
  }
  return { handle: await readying, connection }
}

/** Sends all that is left, write by write. */
async function flushAll(connection: LendingConnection): Promise<Uint8Array> {
  const sent: Uint8Array[] = []
  await settled()
  while (connection.held.length > 0) {
    sent.push(connection.flush())
    await settled()
  }
  return joined(...sent)
}

describe("A1: the memory of a write is the caller's again when its promise settles", () => {
  test('after a reply that came before the data was flushed', async () => {
    const { handle, connection } = await lending()
    const data = repeated(0x11, LENGTH)
    const writing = handle.pwrite(data, 0)
    await settled()
    const request = joined(...connection.held).subarray(0, HEADER_LENGTH)
    connection.deliver(octets('67 44 66 98 00 00 00 05'), request.subarray(8, 16))
    const refused = rejection(writing).then((error) => {
      data.fill(0xee)
      return error
    })
    expect(await outcomeOf(writing.catch(() => {}))).toBe('pending')
    expect(handle.inFlight).toBe(0)
    const sent = await flushAll(connection)
    expect(await refused).toMatchObject({ code: 'ERR_NBD_SERVER', errno: 'EIO' })
    expect(Buffer.compare(sent.subarray(HEADER_LENGTH), repeated(0x11, LENGTH))).toBe(0)
    await end(handle, connection)
  })

  test.each<[string, CommandOptions]>([
    ['an abort', {}],
    ['an abort of a command with a timeout', { timeoutMs: 1000 }],
  ])('after %s in the middle of the data, at once: what is left to send was copied', async (_, options) => {
    const { handle, connection } = await lending()
    const controller = new AbortController()
    const data = repeated(0x11, LENGTH)
    const writing = handle.pwrite(data, 0, { ...options, signal: controller.signal })
    await settled()
    const first = connection.flush()
    controller.abort('enough')
    expect(await rejection(writing)).toBe('enough')
    data.fill(0xee)
    const sent = joined(first, await flushAll(connection))
    expect(Buffer.compare(sent.subarray(HEADER_LENGTH), repeated(0x11, LENGTH))).toBe(0)
    expect(handle).toMatchObject({ state: 'ready', inFlight: 1 })
    await end(handle, connection)
  })

  test('after an abort before it was sent: it is not sent, and was not copied', async () => {
    const { handle, connection } = await lending()
    const controller = new AbortController()
    const first = repeated(0x11, 1000)
    const writing = handle.pwrite(first, 0)
    await settled()
    const data = repeated(0x22, LENGTH)
    const waiting = handle.pwrite(data, 0, { signal: controller.signal })
    await settled()
    controller.abort('enough')
    expect(await rejection(waiting)).toBe('enough')
    data.fill(0xee)
    expect(handle.inFlight).toBe(1)
    const sent = await flushAll(connection)
    expect(sent.length).toBe(HEADER_LENGTH + 1000)
    expect(await outcomeOf(writing)).toBe('pending')
    handle.destroy()
    await rejection(writing)
    await end(handle, connection)
  })

  test.each<[string, (scene: Scene) => void]>([
    ['destroy()', ({ handle }) => handle.destroy()],
    ['the end of the server', ({ connection }) => connection.receiver.ended()],
    ['a reply that breaks the protocol', ({ connection }) => connection.deliver(octets('00 11 22 33'))],
  ])('after %s: the connection is destroyed by then', async (_, endIt) => {
    const scene = await lending()
    const { handle, connection } = scene
    const calls = rejection(handle.pwrite(repeated(0x11, LENGTH), 0)).then(() => [...connection.calls])
    await settled()
    endIt(scene)
    expect((await calls).at(-1)).toBe('destroy')
    await end(handle, connection)
  })

  test('with a signal and `settle`, its memory is lent and not copied', async () => {
    const { handle, connection } = await lending()
    const { signal } = new AbortController()
    const data = repeated(0x11, LENGTH)
    const writing = handle.pwrite(data, 0, { signal, abort: 'settle' })
    await settled()
    expect(connection.held.some(({ buffer }) => buffer === data.buffer)).toBe(true)
    const request = joined(...connection.held).subarray(0, HEADER_LENGTH)
    await flushAll(connection)
    connection.deliver(octets('67 44 66 98 00 00 00 00'), request.subarray(8, 16))
    await writing
    await end(handle, connection)
  })
})

describe('A1: the memory of a read', () => {
  test('with its own timeout is not written after the timeout', async () => {
    const { handle, server } = await ready()
    const buffer = repeated(0xee, 200_000)
    const reading = handle.preadInto(buffer, 0, { timeoutMs: 100 })
    const failed = rejection(reading)
    const request = await server.request(Cmd.Read)
    server.send(encodeSimpleReply(request, 0), repeated(7, 100_000))
    await settled()
    await jest.advanceTimersByTimeAsync(100)
    expect(await failed).toHaveProperty('errno', 'ETIMEDOUT')
    buffer.fill(0xaa)
    server.send(repeated(7, 100_000))
    await settled()
    expect(Buffer.compare(buffer, repeated(0xaa, 200_000))).toBe(0)
    expect(handle).toMatchObject({ state: 'ready', inFlight: 0 })
    handle.destroy()
  })
})
