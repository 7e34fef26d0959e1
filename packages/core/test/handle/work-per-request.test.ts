import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import type { Handle } from '@nbdjs/core'
import { CommandFlag, decodeRequest, encodeOffsetData, ReplyFlag } from '@nbdjs/core/wire'
import { viewOf } from '../../src/wire/bytes.js'
import { joined, repeated } from '../bytes.js'
import { watchLeaks } from './leaks.js'
import { HandConnection } from './manual-connection.js'
import { end, readyOn } from './manual-connections.js'
import { settled } from './settle-promises.js'

/*
 * What a request costs, counted and not timed: memory that is made, bytes that are copied. A change that makes these
 * numbers grow makes the library slower, on whatever protocol.
 */

watchLeaks()

const KIB = 1024

/** The lengths of the memory that was made since. Views of memory that exists are none. */
const made: number[] = []
const Original = globalThis.Uint8Array

beforeEach(() => {
  made.length = 0
  globalThis.Uint8Array = new Proxy(Original, {
    construct(target, args, newTarget) {
      if (!(args[0] instanceof ArrayBuffer)) made.push(Number(args[0]?.length ?? args[0]))
      return Reflect.construct(target, args, newTarget)
    },
  })
})

afterEach(() => {
  globalThis.Uint8Array = Original
})

/** Memory that counts the bytes that are copied into it. */
class Counted extends Original {
  static copied = 0
  /** Views of it are the connection's, whose bytes do not count. */
  static get [Symbol.species](): Uint8ArrayConstructor {
    return Original
  }
  override set(source: ArrayLike<number>, offset?: number): void {
    Counted.copied += source.length
    super.set(source, offset)
  }
}

/** A connection that has the chunks themselves, as a socket would. */
class ChunkConnection extends HandConnection {
  readonly chunks: Uint8Array[] = []

  override write(chunks: readonly Uint8Array[]): boolean {
    this.chunks.push(...chunks)
    return true
  }
}

async function ready(): Promise<{ readonly handle: Handle; readonly connection: ChunkConnection }> {
  const connection = new ChunkConnection()
  const handle = await readyOn(connection, { structuredReplies: true, size: 2 ** 40 })
  connection.chunks.length = 0
  return { handle, connection }
}

/** Answers every read with its data, in one chunk each. */
function answer(connection: ChunkConnection, length: number): void {
  const requests = joined(...connection.chunks.splice(0))
  const view = viewOf(requests)
  for (let at = 0; at < requests.length; at += 28) {
    const request = decodeRequest(view, at)
    if (request === undefined) throw new Error(`expected a request at byte ${at}`)
    const head = encodeOffsetData(request, ReplyFlag.Done, request.offset, length)
    connection.deliver(joined(head, repeated(7, length)))
  }
}

describe('a read', () => {
  test.each([
    ['of 4 KiB is copied once', 4 * KIB, 4 * KIB],
    ['of 256 KiB is not copied', 256 * KIB, 0],
  ])('into memory of the caller %s', async (_, length, copied) => {
    const { handle, connection } = await ready()
    // The length of the first reply is unknown before its header.
    const first = handle.preadInto(new Original(length), 0)
    await settled()
    answer(connection, length)
    await first
    const buffers = Array.from({ length: 8 }, () => new Counted(length))
    const reading = buffers.map((buffer, index) => handle.preadInto(buffer, index * length))
    Counted.copied = 0
    await settled()
    answer(connection, length)
    await Promise.all(reading)
    expect(Counted.copied).toBe(8 * copied)
    for (const buffer of buffers) expect(buffer.every((byte) => byte === 7)).toBe(true)
    await end(handle, connection)
  })

  test('into memory of the caller allocates only slabs for requests', async () => {
    const { handle, connection } = await ready()
    const buffer = new Original(512)
    const own: number[] = []
    for (let round = 0; round < 100; round++) {
      made.length = 0
      const reading = Array.from({ length: 10 }, () => handle.preadInto(buffer, 0))
      await settled()
      own.push(...made)
      answer(connection, 512)
      made.length = 0
      await Promise.all(reading)
      own.push(...made)
    }
    // A slab of 16 KiB has room for 585 requests of 28 bytes.
    expect(own).toEqual([16 * KIB])
    await end(handle, connection)
  })

  test('into new memory allocates only that', async () => {
    const { handle, connection } = await ready()
    const reading = handle.pread(4 * KIB, 0)
    await settled()
    const [request] = connection.chunks.splice(0) as [Uint8Array]
    const { cookieHigh, cookieLow } = decodeRequest(viewOf(request), 0) ?? { cookieHigh: 0, cookieLow: 0 }
    const head = encodeOffsetData({ cookieHigh, cookieLow }, ReplyFlag.Done, 0, 4 * KIB)
    const reply = joined(head, repeated(7, 4 * KIB))
    made.length = 0
    connection.receiver.buffer().set(reply)
    connection.receiver.received(reply.length)
    expect((await reading).length).toBe(4 * KIB)
    expect(made).toEqual([4 * KIB])
    await end(handle, connection)
  })
})

describe('a write', () => {
  test('is passed to the connection without a copy, and headers share one view', async () => {
    const { handle, connection } = await ready()
    const data = new Original(64 * KIB)
    made.length = 0
    const pending = [
      handle.flush(),
      handle.trim(512, 0),
      handle.pwrite(data, 0, { fua: true }),
      handle.flush(),
    ].map((promise) => promise.catch(() => {}))
    await settled()
    expect(made).toEqual([])
    expect(connection.chunks.map(({ length }) => length)).toEqual([3 * 28, 64 * KIB, 28])
    expect(connection.chunks[1]).toBe(data)
    expect(decodeRequest(viewOf(connection.chunks[0] as Uint8Array), 56)?.flags).toBe(CommandFlag.Fua)
    await end(handle, connection)
    await Promise.all(pending)
  })
})
