import { describe, expect, test } from '@jest/globals'
import { type Handle, NbdServerError } from '@nbdjs/core'
import {
  Chunk,
  Cmd,
  CommandFlag,
  ErrorValue,
  encodeChunkHeader,
  encodeErrorChunk,
  encodeOffsetData,
  encodeOffsetHole,
  encodeSimpleReply,
  ReplyFlag,
  TransmissionFlag,
} from '@nbdjs/core/wire'
import { octets, repeated } from '../bytes.js'
import { ready } from './connected.js'
import { watchLeaks } from './leaks.js'
import { EVERYTHING, type ReceivedRequest } from './scripted-server.js'
import { outcomeOf, rejection, settled } from './settle-promises.js'

watchLeaks()

const { Done } = ReplyFlag
const { Fua, NoHole, FastZero } = CommandFlag

describe('requests and replies', () => {
  interface Exchange {
    readonly call: (handle: Handle) => Promise<unknown>
    readonly request: Partial<ReceivedRequest> & { readonly type: Cmd }
    readonly reply?: Uint8Array
    readonly result?: unknown
  }
  const data = octets('de ad be ef')
  const exchanges: Readonly<Record<string, Exchange>> = {
    // libnbd: nbd_pread
    pread: {
      call: (handle) => handle.pread(4, 8),
      request: { type: Cmd.Read, flags: 0, offset: 8, length: 4 },
      reply: data,
      result: data,
    },
    'pread at a bigint': {
      call: (handle) => handle.pread(4, 8n),
      request: { type: Cmd.Read, flags: 0, offset: 8, length: 4 },
      reply: data,
      result: data,
    },
    // spec: client/write/data-follows
    // libnbd: nbd_pwrite
    pwrite: {
      call: (handle) => handle.pwrite(data, 8),
      request: { type: Cmd.Write, flags: 0, offset: 8, length: 4 },
    },
    'pwrite with fua': {
      call: (handle) => handle.pwrite(data, 8, { fua: true }),
      request: { type: Cmd.Write, flags: Fua, offset: 8, length: 4 },
    },
    'pwrite with a flag that is off': {
      call: (handle) => handle.pwrite(data, 8, { fua: false, signal: undefined }),
      request: { type: Cmd.Write, flags: 0, offset: 8, length: 4 },
    },
    zero: {
      call: (handle) => handle.zero(4096, 512),
      request: { type: Cmd.WriteZeroes, flags: 0, offset: 512, length: 4096 },
    },
    // libnbd: nbd_zero
    'zero with all its flags': {
      call: (handle) => handle.zero(4096, 512, { fua: true, noHole: true, fastZero: true }),
      request: { type: Cmd.WriteZeroes, flags: Fua | NoHole | FastZero, offset: 512, length: 4096 },
    },
    trim: {
      call: (handle) => handle.trim(4096, 512),
      request: { type: Cmd.Trim, flags: 0, offset: 512, length: 4096 },
    },
    // libnbd: nbd_trim
    'trim with fua': {
      call: (handle) => handle.trim(4096, 512, { fua: true }),
      request: { type: Cmd.Trim, flags: Fua, offset: 512, length: 4096 },
    },
    // libnbd: nbd_cache
    cache: {
      call: (handle) => handle.cache(4096, 512),
      request: { type: Cmd.Cache, flags: 0, offset: 512, length: 4096 },
    },
    // spec: client/flush/zero-range
    // libnbd: nbd_flush
    flush: {
      call: (handle) => handle.flush(),
      request: { type: Cmd.Flush, flags: 0, offset: 0, length: 0 },
    },
  }

  test.each(Object.entries(exchanges))('%s', async (_, { call, request, reply, result }) => {
    const { handle, server } = await ready()
    const calling = call(handle)
    expect(handle.inFlight).toBe(1)
    const received = await server.request(request.type, request)
    expect(received.data).toEqual(request.type === Cmd.Write ? data : octets())
    server.answer(received, reply)
    expect(await calling).toEqual(result)
    expect(handle.inFlight).toBe(0)
    handle.destroy()
  })

  test('an offset beyond 2^53 is exact', async () => {
    const size = 2n ** 63n - 1n
    const { handle, server } = await ready({ size })
    const reading = handle.pread(1, size - 1n)
    server.answer(await server.request(Cmd.Read, { offset: size - 1n }), octets('2a'))
    expect(await reading).toEqual(octets('2a'))
    handle.destroy()
  })

  test('pread of 0 bytes, if allowed, returns an empty array', async () => {
    const { handle, server } = await ready({}, { strict: { zeroSize: false } })
    const reading = handle.pread(0, 0)
    server.answer(await server.request(Cmd.Read, { length: 0 }))
    expect(await reading).toEqual(octets())
    handle.destroy()
  })

  // libnbd: nbd_pread
  test('preadInto fills the given buffer, and writes no byte outside of it', async () => {
    const { handle, server } = await ready()
    const memory = repeated(0xee, 12)
    const reading = handle.preadInto(memory.subarray(4, 8), 0)
    server.answer(await server.request(Cmd.Read, { length: 4 }), data)
    expect(await reading).toBeUndefined()
    expect(memory).toEqual(octets('ee ee ee ee de ad be ef ee ee ee ee'))
    handle.destroy()
  })

  test('each pread returns new memory', async () => {
    const { handle, server } = await ready()
    const reading = [handle.pread(4, 0), handle.pread(4, 0)]
    for (const _ of reading) server.answer(await server.request(Cmd.Read), data)
    const [first, second] = await Promise.all(reading)
    expect(first?.buffer.byteLength).toBe(4)
    expect(first?.buffer).not.toBe(second?.buffer)
    handle.destroy()
  })

  test('data of a pwrite has the content of the time when it is sent', async () => {
    const { handle, server } = await ready()
    const lent = repeated(1, 4)
    const writing = handle.pwrite(lent, 0)
    lent.fill(2)
    const request = await server.request(Cmd.Write)
    expect(request.data).toEqual(repeated(2, 4))
    server.answer(request)
    await writing
    handle.destroy()
  })
})

describe('memory shared between threads', () => {
  const shared = (octet: number, length: number): Uint8Array =>
    new Uint8Array(new SharedArrayBuffer(length)).fill(octet)

  test('is copied before it is written', async () => {
    const { handle, server } = await ready()
    const data = shared(1, 4)
    const writing = handle.pwrite(data, 0)
    data.fill(2)
    const request = await server.request(Cmd.Write)
    expect(request.data).toEqual(repeated(1, 4))
    server.answer(request)
    await writing
    handle.destroy()
  })

  test('is never lent for a read of any length', async () => {
    const { handle, server } = await ready()
    const buffer = shared(0xee, 65_536)
    const reading = handle.preadInto(buffer, 0)
    const request = await server.request(Cmd.Read)
    server.send(encodeSimpleReply(request, 0), repeated(7, 60_000))
    server.send(repeated(7, 5_536))
    await reading
    expect(Buffer.compare(buffer, repeated(7, 65_536))).toBe(0)
    handle.destroy()
  })
})

describe('many at once', () => {
  test('replies in any order settle the right call', async () => {
    const { handle, server } = await ready()
    const reading = [0, 1, 2, 3].map((index) => handle.pread(1, index))
    const requests = [
      await server.request(Cmd.Read),
      await server.request(Cmd.Read),
      await server.request(Cmd.Read),
      await server.request(Cmd.Read),
    ]
    const order: number[] = []
    for (const [index, read] of reading.entries()) void read.then(() => order.push(index))
    for (const request of requests.reverse()) server.answer(request, Uint8Array.of(Number(request.offset)))
    expect(await Promise.all(reading)).toEqual([octets('00'), octets('01'), octets('02'), octets('03')])
    expect(order).toEqual([3, 2, 1, 0])
    handle.destroy()
  })

  // libnbd: nbd_aio_in_flight
  test('beyond the limit they are queued, and counted', async () => {
    const { handle, server } = await ready({}, { limits: { inFlightCommands: 2 } })
    const flushing = [handle.flush(), handle.flush(), handle.flush()]
    expect(handle.inFlight).toBe(3)
    const first = await server.request(Cmd.Flush)
    const second = await server.request(Cmd.Flush)
    const { bytesFromClient } = server
    await settled()
    expect(server.bytesFromClient).toBe(bytesFromClient)
    server.answer(first)
    const third = await server.request(Cmd.Flush)
    expect(handle.inFlight).toBe(2)
    server.answer(second)
    server.answer(third)
    await Promise.all(flushing)
    handle.destroy()
  })

  test('an error fails its own command only', async () => {
    const { handle, server } = await ready()
    const reading = [handle.pread(1, 0), handle.pread(1, 1), handle.pread(1, 2)]
    const requests = [
      await server.request(Cmd.Read),
      await server.request(Cmd.Read),
      await server.request(Cmd.Read),
    ] as const
    server.answer(requests[0], octets('00'))
    server.refuse(requests[1], ErrorValue.EIO)
    server.answer(requests[2], octets('02'))
    expect(await reading[0]).toEqual(octets('00'))
    expect(await rejection(reading[1] as Promise<unknown>)).toBeInstanceOf(NbdServerError)
    expect(await reading[2]).toEqual(octets('02'))
    expect(handle.state).toBe('ready')
    handle.destroy()
  })
})

describe('structured replies', () => {
  const offer = { structuredReplies: true, flags: EVERYTHING | TransmissionFlag.SendDf }

  test('a read is assembled from data and holes', async () => {
    const { handle, server } = await ready(offer)
    expect(handle.session.structuredReplies).toBe(true)
    const reading = handle.pread(8, 100)
    const request = await server.request(Cmd.Read)
    server.send(encodeOffsetData(request, 0, 106, 2), octets('06 07'))
    server.send(encodeOffsetHole(request, 0, 102, 4))
    expect(await outcomeOf(reading)).toBe('pending')
    server.send(encodeOffsetData(request, Done, 100, 2), octets('00 01'))
    expect(await reading).toEqual(octets('00 01 00 00 00 00 06 07'))
    handle.destroy()
  })

  test('the end of a reply may be a separate chunk', async () => {
    const { handle, server } = await ready(offer)
    const reading = handle.pread(2, 0)
    const request = await server.request(Cmd.Read)
    server.send(encodeOffsetData(request, 0, 0, 2), octets('00 01'))
    expect(await outcomeOf(reading)).toBe('pending')
    server.send(encodeChunkHeader(request, Done, Chunk.None, 0))
    expect(await reading).toEqual(octets('00 01'))
    handle.destroy()
  })

  test('an error after some of the data fails the read, and the handle continues', async () => {
    const { handle, server } = await ready(offer)
    const reading = rejection(handle.pread(4, 0))
    const request = await server.request(Cmd.Read)
    server.send(encodeOffsetData(request, 0, 0, 2), octets('00 01'))
    server.send(encodeErrorChunk(request, Done, { value: ErrorValue.EIO, message: 'bad sector', offset: 2 }))
    expect(await reading).toMatchObject({ errno: 'EIO', serverMessage: 'bad sector', errorOffset: 2n })
    expect(handle.state).toBe('ready')
    handle.destroy()
  })
})

// libnbd: nbd_stats_bytes_sent, nbd_stats_bytes_received, nbd_stats_chunks_sent, nbd_stats_chunks_received
test('stats count bytes and chunks, from 0 before connect, and remain after the end', async () => {
  const { handle, server } = await ready()
  const before = handle.stats
  const flushing = handle.flush()
  server.answer(await server.request(Cmd.Flush))
  await flushing
  const { bytesSent, bytesReceived, chunksSent, chunksReceived } = before
  const after = {
    bytesSent: bytesSent + 28,
    bytesReceived: bytesReceived + 16,
    chunksSent: chunksSent + 1,
    chunksReceived: chunksReceived + 1,
  }
  expect(handle.stats).toEqual(after)
  await Promise.all([handle.shutdown(), server.farewell()])
  expect(handle.stats).toEqual({
    ...after,
    bytesSent: after.bytesSent + 28,
    chunksSent: after.chunksSent + 1,
  })
  expect(server.bytesFromClient).toBe(handle.stats.bytesSent)
})
