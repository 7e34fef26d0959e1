import { describe, expect, it, jest } from '@jest/globals'
import { Chunk, Cmd, encodeGreeting, encodeOption, Opt, Rep, ReplyFlag } from '@nbdjs/core/wire'
import { memoryBackend, type ServerOptions } from '@nbdjs/server'
import {
  type ActiveFault,
  changeCookie,
  changeStatus,
  cutAt,
  delay,
  drop,
  type Fault,
  failBackend,
  fragment,
  type OutgoingMessage,
  reorder,
  rewrite,
} from '@nbdjs/server/faults'
import { concat, viewOf } from '../../src/bytes.js'
import { parseMessageHead } from '../../src/faults/faulty-output.js'
import { noise } from '../peer/noise.js'
import { allFlags, parseOptionReplies, RawClient, type RequestFields } from '../peer/raw-client.js'

const pause = (delayMs: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, delayMs))

const faulty = (...faults: Fault[]): RawClient => new RawClient({ exports: { '': disk() }, faults })
const disk = () => memoryBackend(2 ** 20, { content: noise(300_000) })

/** All bytes of a session with every kind of message. */
const session = (options: Partial<ServerOptions>): { sent: Uint8Array; client: RawClient } => {
  const client = new RawClient({ exports: { '': disk() }, ...options })
  const parts = [client.connection.take()]
  client.greet()
  for (const option of [Opt.List, Opt.StructuredReply, Opt.Go]) {
    client.connection.push(encodeOption(option, option === Opt.Go ? new Uint8Array(6) : undefined))
    parts.push(client.connection.take())
  }
  client.send(
    { type: Cmd.Read, length: 1000, cookie: 1n },
    { type: Cmd.Read, length: 2 ** 20, cookie: 2n },
    { type: Cmd.Write, data: noise(10), cookie: 3n },
    { type: 99, cookie: 4n },
  )
  parts.push(client.connection.take())
  return { sent: concat(...parts), client }
}

const reads = (count: number, length = 1): RequestFields[] =>
  Array.from({ length: count }, (_, index) => ({ type: Cmd.Read, cookie: BigInt(index + 1), length }))

const isReply = ({ kind }: OutgoingMessage): boolean => kind === 'simpleReply' || kind === 'chunk'

/** A fault that records the messages. */
const spy =
  (seen: OutgoingMessage[]): Fault =>
  (link) => ({
    message(message) {
      seen.push(message)
      link.send(message)
    },
  })

describe('faults', () => {
  it('that send every message change nothing', () => {
    const seen: OutgoingMessage[] = []
    expect(Buffer.compare(session({ faults: [spy(seen)] }).sent, session({}).sent)).toBe(0)
    expect(seen.map(({ kind }) => kind)).toEqual([
      'greeting',
      'optionReply',
      'optionReply',
      'optionReply',
      'optionReply',
      'optionReply',
      'chunk',
      'chunk',
      'chunk',
      'simpleReply',
      'chunk',
    ])
    expect(seen.map(({ index }) => index)).toEqual(seen.map((_, index) => index))
    expect(Buffer.compare(concat(...seen.map(({ bytes }) => bytes)), session({}).sent)).toBe(0)
  })

  it('pass messages from one to the next', () => {
    const seen: OutgoingMessage[] = []
    const first = rewrite(
      ({ kind }) => kind === 'greeting',
      () => Uint8Array.of(1, 2, 3),
    )
    const client = faulty(first, spy(seen), cutAt(2))
    expect(seen.map(({ bytes }) => bytes)).toEqual([Uint8Array.of(1, 2, 3)])
    expect(client.connection.take()).toEqual(Uint8Array.of(1, 2))
  })

  it('are made for each connection', () => {
    let count = 0
    const fault: Fault = (link) => {
      count++
      return { message: (message) => link.send(message) }
    }
    const client = faulty(fault)
    client.server.accept(new RawClient().connection)
    expect(count).toBe(2)
  })

  it('that throw end their session, not the server', () => {
    const fault: Fault = () => ({
      message() {
        throw new Error('a broken fault')
      },
    })
    const client = faulty(fault)
    expect(client.fatal).toBe('a broken fault')
  })

  it('that throw when they are made end their connection, not the server', () => {
    const client = faulty(() => {
      throw new Error('a fault that is none')
    })
    expect(client.fatal).toBe('a fault that is none')
    expect(client.server.connections).toBe(0)
  })

  it('that fail at the end destroy the connection, and the exception is uncaught', async () => {
    const failure = new Error('no end')
    const fault: Fault = (link) => ({
      message: (message) => link.send(message),
      end: () => Promise.reject(failure),
    })
    const client = faulty(fault).enter()
    const tasks: (() => void)[] = []
    const spied = jest.spyOn(globalThis, 'queueMicrotask').mockImplementation((task) => void tasks.push(task))
    client.send({ type: Cmd.Disc })
    await pause(0)
    spied.mockRestore()
    expect(client.connection.destroyReason).toMatchObject({
      message: 'a fault failed at its end',
      cause: failure,
    })
    expect(tasks).toHaveLength(2)
    expect(tasks[1]).toThrow(failure)
    tasks[0]?.()
    expect(client.server.connections).toBe(0)
  })

  it('are awaited in order before the connection is closed', async () => {
    const ended: string[] = []
    const holding =
      (name: string): Fault =>
      (link): ActiveFault => {
        const held: OutgoingMessage[] = []
        return {
          message: (message) => void held.push(message),
          async end() {
            await pause(5)
            ended.push(name)
            for (const message of held) link.send(message)
          },
        }
      }
    const client = faulty(holding('first'), holding('second'))
    client.greet()
    client.connection.push(encodeOption(Opt.Abort))
    expect(client.connection.isClosing).toBe(false)
    while (!client.connection.isClosing) await pause(1)
    expect(ended).toEqual(['first', 'second'])
    const bytes = client.connection.take()
    expect(bytes.subarray(0, 18)).toEqual(encodeGreeting(allFlags))
    expect(parseOptionReplies(bytes.subarray(18))).toMatchObject([{ reply: Rep.Ack }])
  })
})

describe('cutAt', () => {
  it.each([0, 1, 17, 18, 19, 100, 1500])('ends the stream after %i bytes', (position) => {
    const { sent } = session({})
    const { sent: cut, client } = session({ faults: [cutAt(position)] })
    expect(Buffer.compare(cut, sent.subarray(0, position))).toBe(0)
    expect(client.connection.isClosing).toBe(true)
    expect(client.connection.isDestroyed).toBe(false)
    expect(client.errors).toEqual([])
  })

  it('can reset the connection', async () => {
    const client = faulty(cutAt(18, { reset: true }))
    expect(client.connection.take().length).toBe(18)
    expect(client.connection.isDestroyed).toBe(true)
    await pause(0)
    expect(client.server.connections).toBe(0)
  })

  it('does not affect a shorter stream', () => {
    const client = faulty(cutAt(19))
    expect(client.isAlive).toBe(true)
  })
})

describe('rewrite', () => {
  it('changes a copy of the matching messages', () => {
    const fault = rewrite(
      ({ kind }) => kind === 'simpleReply',
      (bytes) => bytes.fill(0xff, 8, 16),
    )
    const content = noise(65536)
    const client = new RawClient({
      exports: { '': memoryBackend(65536, { content }) },
      faults: [fault],
    }).enter()
    client.send({ type: Cmd.Read, length: 65536 })
    const { cookie, data } = client.simpleReply()
    expect(cookie).toBe(2n ** 64n - 1n)
    expect(Buffer.compare(data, content)).toBe(0)
  })

  it('receives the kind and the index of a message', () => {
    const seen: OutgoingMessage[] = []
    const fault = rewrite(
      () => true,
      (bytes, message) => {
        seen.push(message)
        return bytes
      },
    )
    faulty(fault)
    expect(seen).toMatchObject([{ kind: 'greeting', index: 0 }])
  })
})

describe('drop', () => {
  it('drops matching messages', () => {
    const client = faulty(drop((message) => message.kind === 'simpleReply' && message.cookie === 2n)).enter()
    client.send(...reads(3))
    const bytes = client.connection.take()
    expect(bytes.length).toBe(2 * 17)
    expect([bytes[15], bytes[17 + 15]]).toEqual([1, 3])
  })
})

describe('changeCookie', () => {
  it('changes the cookies of replies of both kinds, and nothing else', () => {
    const fault = changeCookie((cookie) => cookie + 100n)
    const plain = faulty(fault).enter()
    plain.send({ type: Cmd.Read, length: 5, cookie: 1n })
    expect(plain.simpleReply()).toMatchObject({ cookie: 101n, data: noise(5) })
    const structured = faulty(fault).enter({ structured: true })
    structured.send({ type: Cmd.Read, length: 5, cookie: 2n })
    expect(structured.chunks()).toMatchObject([{ cookie: 102n }])
  })

  it('changes matching replies only', () => {
    const fault = changeCookie(
      () => 9n,
      (message) => 'cookie' in message && message.cookie === 2n,
    )
    const client = faulty(fault).enter({ structured: true })
    client.send(...reads(3))
    expect(client.chunks().map(({ cookie }) => cookie)).toEqual([1n, 9n, 3n])
  })
})

describe('delay', () => {
  it('sends later, and in order', async () => {
    const client = faulty(delay(20, isReply)).enter()
    client.send(...reads(2))
    expect(client.connection.take().length).toBe(0)
    const parts: Uint8Array[] = []
    while (parts.reduce((sum, part) => sum + part.length, 0) < 34) {
      await pause(1)
      parts.push(client.connection.take())
    }
    const bytes = concat(...parts)
    expect([bytes[15], bytes[17 + 15]]).toEqual([1, 2])
  })

  it('delays every message by default', () => {
    expect(faulty(delay(20)).connection.take().length).toBe(0)
  })

  it('delays the end as well', async () => {
    const client = faulty(delay(10, isReply)).enter()
    client.send({ type: Cmd.Read, length: 1 }, { type: Cmd.Disc })
    expect(client.connection.isClosing).toBe(false)
    while (!client.connection.isClosing) await pause(1)
    expect(client.simpleReply().data.length).toBe(1)
  })
})

describe('reorder', () => {
  it('reverses groups of replies', () => {
    const client = faulty(reorder(3)).enter({ structured: true })
    client.send(...reads(6))
    expect(client.chunks().map(({ cookie }) => cookie)).toEqual([3n, 2n, 1n, 6n, 5n, 4n])
  })

  it('keeps the chunks of a reply together and in order', () => {
    const client = faulty(reorder(2)).enter({ structured: true })
    client.send(...reads(2, 2 ** 20))
    expect(client.chunks().map(({ cookie, flags }) => [cookie, flags])).toEqual([
      [2n, 0],
      [2n, ReplyFlag.Done],
      [1n, 0],
      [1n, ReplyFlag.Done],
    ])
  })

  it('releases an incomplete group, and does not affect the handshake', async () => {
    const client = faulty(reorder(100)).enter()
    client.send(...reads(2))
    expect(client.connection.take().length).toBe(0)
    let bytes = client.connection.take()
    while (bytes.length === 0) {
      await pause(1)
      bytes = client.connection.take()
    }
    expect([bytes[15], bytes[17 + 15]]).toEqual([2, 1])
  })

  it('releases everything at the end', async () => {
    const client = faulty(reorder(100)).enter()
    client.send(...reads(2), { type: Cmd.Disc })
    await pause(0)
    expect(client.connection.take().length).toBe(34)
    expect(client.connection.isClosing).toBe(true)
  })
})

describe('fragment', () => {
  it('splits data into chunks, the last one first', () => {
    const client = faulty(fragment(400)).enter({ structured: true })
    client.send({ type: Cmd.Read, offset: 10, length: 1000, cookie: 2n ** 63n + 7n })
    const chunks = client.chunks()
    expect(chunks.map(({ type, flags, cookie }) => [type, flags, cookie])).toEqual([
      [Chunk.OffsetData, 0, 2n ** 63n + 7n],
      [Chunk.OffsetData, 0, 2n ** 63n + 7n],
      [Chunk.OffsetData, ReplyFlag.Done, 2n ** 63n + 7n],
    ])
    const offsets = chunks.map(({ payload }) => Number(viewOf(payload).getBigUint64(0)))
    expect(offsets).toEqual([810, 410, 10])
    const data = concat(...chunks.reverse().map(({ payload }) => payload.subarray(8)))
    expect(data).toEqual(noise(300_000).slice(10, 1010))
  })

  it('splits data with extended headers as well', () => {
    const client = faulty(fragment(400)).enter({ extended: true })
    client.send({ type: Cmd.Read, offset: 10, length: 1000, cookie: 7n })
    const chunks = client.chunks()
    expect(chunks.map(({ flags, cookie, offset }) => [flags, cookie, offset])).toEqual([
      [0, 7n, 10],
      [0, 7n, 10],
      [ReplyFlag.Done, 7n, 10],
    ])
    const data = concat(...chunks.reverse().map(({ payload }) => payload.subarray(8)))
    expect(data).toEqual(noise(300_000).slice(10, 1010))
  })

  it('does not affect other messages', () => {
    const client = faulty(fragment(400)).enter({ structured: true })
    client.send({ type: Cmd.Read, offset: 2 ** 19, length: 1000 }, { type: Cmd.Flush }, { type: 99 })
    const bytes = client.connection.take()
    const plain = faulty().enter({ structured: true })
    plain.send({ type: Cmd.Read, offset: 2 ** 19, length: 1000 }, { type: Cmd.Flush }, { type: 99 })
    expect(bytes).toEqual(plain.connection.take())
  })
})

describe('a fault after another one', () => {
  it.each([
    ['fragment', fragment(100)],
    ['changeStatus', changeStatus((status) => [status, status])],
    ['changeStatus, to nothing', changeStatus(() => [])],
    ['changeCookie', changeCookie((cookie) => cookie + 100n)],
  ])('receives the changed content: %s', (_, first) => {
    const seen: OutgoingMessage[] = []
    const recorder: Fault = (link) => ({
      message(message) {
        seen.push(message)
        link.send(message)
      },
    })
    const client = faulty(first, recorder).enter({ structured: true, contexts: ['base:allocation'] })
    client.send(
      { type: Cmd.Read, length: 1000 },
      { type: Cmd.BlockStatus, length: 1000 },
      { type: Cmd.Flush },
    )
    expect(seen.length).toBeGreaterThan(4)
    for (const message of seen) expect(message).toMatchObject(parseMessageHead(message.bytes))
  })

  it('reverses replies that were split, and keeps each together', () => {
    const client = faulty(fragment(400), reorder(2)).enter({ structured: true })
    client.send(...reads(2, 1000))
    expect(client.chunks().map(({ cookie, flags }) => [cookie, flags])).toEqual([
      ...[0, 0, ReplyFlag.Done].map((flags) => [2n, flags]),
      ...[0, 0, ReplyFlag.Done].map((flags) => [1n, flags]),
    ])
  })
})

describe('failBackend', () => {
  const bad = (options: Partial<Parameters<typeof failBackend>[1]> = {}): RawClient =>
    new RawClient({ exports: { '': failBackend(disk(), { offset: 4096, ...options }) } }).enter({
      structured: true,
      contexts: ['base:allocation'],
    })

  it.each<[string, RequestFields]>([
    ['a read', { type: Cmd.Read, offset: 4000, length: 97 }],
    ['a write', { type: Cmd.Write, offset: 4096, data: noise(1) }],
    ['a trim', { type: Cmd.Trim, offset: 0, length: 10_000 }],
    ['zeroes', { type: Cmd.WriteZeroes, offset: 4096, length: 1 }],
    ['a cache', { type: Cmd.Cache, offset: 4096, length: 1 }],
    ['a block status', { type: Cmd.BlockStatus, offset: 4096, length: 1 }],
  ])('fails %s at the bad sector', (_, request) => {
    const client = bad()
    client.send(request)
    expect(client.errorChunk()).toMatchObject({ error: 'EIO', message: 'bad sector', offset: undefined })
    expect(client.errors).toEqual([])
  })

  it.each([
    [0, 4096],
    [4097, 100],
  ])('does not affect neighbours: %i, %i', (offset, length) => {
    const client = bad()
    client.send({ type: Cmd.Read, offset, length })
    expect(client.chunks()[0]?.payload.subarray(8)).toEqual(noise(300_000).slice(offset, offset + length))
  })

  it('fails with the given error', () => {
    const client = bad({ code: 'ENOSPC', message: 'full', sendOffset: true, methods: ['write'] })
    client.send({ type: Cmd.Read, offset: 4096, length: 1 })
    expect(client.chunks()).toHaveLength(1)
    client.send({ type: Cmd.Write, offset: 4090, data: noise(10) })
    expect(client.errorChunk()).toMatchObject({ error: 'ENOSPC', message: 'full', offset: 4096 })
  })

  it('passes everything else to the backend', () => {
    const inner = memoryBackend(2n ** 62n, { description: 'a disk' })
    const outer = failBackend(inner, { offset: 2n ** 61n })
    expect(outer).toMatchObject({ size: 2n ** 62n, description: 'a disk', canFua: true })
    expect(outer.flush?.()).toBeUndefined()
    expect(() => outer.read(1, 2n ** 61n)).toThrow('bad sector')
    expect(outer.read(1, 2n ** 61n + 1n)).toEqual([{ hole: 1 }])
    expect(Array.from(outer.extents?.(2n ** 60n, 0) as Iterable<unknown>)).toEqual([
      { length: 2n ** 60n, flags: 3 },
    ])
    expect(() => outer.extents?.(2n ** 62n, 0)).toThrow('bad sector')
    const readable = { size: 1, read: () => new Uint8Array(1) }
    expect(failBackend(readable, { offset: 0 }).cache).toBeUndefined()
  })
})
