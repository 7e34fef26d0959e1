import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { SendQueue } from '../../src/protocol/send-queue.js'
import { concat, viewOf } from '../../src/wire/bytes.js'
import { Cmd } from '../../src/wire/constants.js'
import { decodeRequest, REQUEST_LENGTH } from '../../src/wire/request.js'
import { octets, repeated } from '../bytes.js'
import { detach, resizable } from './detached-memory.js'

const MANY = 1024 * 1024

function flush(sendQueue: SendQueue, cookieLow: number): void {
  sendQueue.request(0, Cmd.Flush, 1, cookieLow, 0, 0)
}

/** The requests in a run of headers. */
function cookies(bytes: Uint8Array): (number | undefined)[] {
  expect(bytes.length % REQUEST_LENGTH).toBe(0)
  return Array.from(
    { length: bytes.length / REQUEST_LENGTH },
    (_, index) => decodeRequest(viewOf(bytes), index * REQUEST_LENGTH)?.cookieLow,
  )
}

describe('a send queue', () => {
  test('is empty at first', () => {
    const sendQueue = new SendQueue()
    expect([sendQueue.length, sendQueue.take(MANY), sendQueue.isIntact]).toEqual([0, [], true])
  })

  test('returns the appended memory itself, in order', () => {
    const sendQueue = new SendQueue()
    const [a, b] = [octets('01 02'), octets('03')]
    sendQueue.append(a)
    sendQueue.append(b)
    expect(sendQueue.length).toBe(3)
    const taken = sendQueue.take(MANY)
    expect(taken).toHaveLength(2)
    expect(taken[0]).toBe(a)
    expect(taken[1]).toBe(b)
    expect([sendQueue.length, sendQueue.take(MANY)]).toEqual([0, []])
  })

  test('encodes a request', () => {
    const sendQueue = new SendQueue()
    sendQueue.request(1, Cmd.Write, 0x01020304, 0x05060708, 2n ** 63n, 0xffffffff)
    expect(concat(...sendQueue.take(MANY))).toEqual(
      octets('25 60 95 13  00 01  00 01  01 02 03 04 05 06 07 08  80 00 00 00 00 00 00 00  ff ff ff ff'),
    )
  })

  test('returns consecutive requests as one chunk', () => {
    const sendQueue = new SendQueue()
    for (let cookie = 0; cookie < 64; cookie++) flush(sendQueue, cookie)
    const taken = sendQueue.take(MANY)
    expect(taken).toHaveLength(1)
    expect(cookies(taken[0] as Uint8Array)).toEqual(Array.from({ length: 64 }, (_, cookie) => cookie))
  })

  test('keeps requests and data in order', () => {
    const sendQueue = new SendQueue()
    const data = repeated(7, 5)
    flush(sendQueue, 1)
    flush(sendQueue, 2)
    sendQueue.append(data)
    flush(sendQueue, 3)
    const taken = sendQueue.take(MANY)
    expect(taken.map(({ length }) => length)).toEqual([56, 5, 28])
    expect(cookies(taken[0] as Uint8Array)).toEqual([1, 2])
    expect(taken[1]).toBe(data)
    expect(cookies(taken[2] as Uint8Array)).toEqual([3])
  })

  test('never overwrites returned memory, which the connection may still hold', () => {
    const sendQueue = new SendQueue()
    const held: { chunk: Uint8Array; copy: Uint8Array }[] = []
    for (let cookie = 0; cookie < 3000; cookie++) {
      flush(sendQueue, cookie)
      if (cookie % 7 === 0)
        held.push(...sendQueue.take(MANY).map((chunk) => ({ chunk, copy: chunk.slice() })))
    }
    expect(held.length).toBeGreaterThan(400)
    for (const { chunk, copy } of held) expect(chunk).toEqual(copy)
  })

  test('needs one more chunk per slab of 16 KiB', () => {
    const sendQueue = new SendQueue()
    let chunks = 0
    for (let turn = 0; turn < 100; turn++) {
      for (let cookie = 0; cookie < 64; cookie++) flush(sendQueue, cookie)
      const taken = sendQueue.take(MANY)
      expect(taken.length).toBeLessThanOrEqual(2)
      chunks += taken.length
    }
    expect(chunks).toBeLessThanOrEqual(100 + Math.ceil((100 * 64) / Math.floor(16_384 / REQUEST_LENGTH)))
  })

  test('drops all data that was not taken', () => {
    const sendQueue = new SendQueue()
    flush(sendQueue, 1)
    sendQueue.append(octets('01'))
    flush(sendQueue, 2)
    sendQueue.clear()
    expect([sendQueue.length, sendQueue.isIntact]).toEqual([0, true])
    flush(sendQueue, 3)
    expect(cookies(concat(...sendQueue.take(MANY)))).toEqual([3])
  })
})

describe('a batch', () => {
  test('ends at the limit, inside a chunk', () => {
    const sendQueue = new SendQueue()
    const data = Uint8Array.from({ length: 100 }, (_, index) => index)
    sendQueue.append(data)
    const batches = [sendQueue.take(40), sendQueue.take(40), sendQueue.take(40)]
    expect(batches.map((chunks) => chunks.map(({ length }) => length))).toEqual([[40], [40], [20]])
    expect(concat(...batches.flat())).toEqual(data)
    expect(batches.flat().every(({ buffer }) => buffer === data.buffer)).toBe(true)
    expect(sendQueue.length).toBe(0)
  })

  test('ends between two chunks without an empty chunk', () => {
    const sendQueue = new SendQueue()
    sendQueue.append(octets('01 02'))
    sendQueue.append(octets('03 04'))
    expect(sendQueue.take(2)).toEqual([octets('01 02')])
    expect(sendQueue.length).toBe(2)
    expect(sendQueue.take(2)).toEqual([octets('03 04')])
  })

  test('may end inside a header, which the next batch continues', () => {
    const sendQueue = new SendQueue()
    flush(sendQueue, 1)
    flush(sendQueue, 2)
    const first = sendQueue.take(30)
    flush(sendQueue, 3)
    expect(cookies(concat(...first, ...sendQueue.take(MANY)))).toEqual([1, 2, 3])
  })

  test('is a part of one stream, for every limit', () => {
    const parts = fc.array(
      fc.oneof(fc.constant('request' as const), fc.uint8Array({ minLength: 1, maxLength: 50 })),
      {
        maxLength: 30,
      },
    )
    fc.assert(
      fc.property(parts, fc.array(fc.integer({ min: 1, max: 70 })), (script, limits) => {
        const [whole, cut] = [new SendQueue(), new SendQueue()]
        for (const [cookie, part] of script.entries()) {
          for (const sendQueue of [whole, cut]) {
            if (part === 'request') flush(sendQueue, cookie)
            else sendQueue.append(part)
          }
        }
        const batches = limits.map((limit) => {
          const before = cut.length
          const batch = concat(...cut.take(limit))
          expect(batch.length).toBe(Math.min(limit, before))
          expect(cut.isIntact).toBe(true)
          return batch
        })
        expect(concat(...batches, ...cut.take(MANY))).toEqual(concat(...whole.take(MANY)))
      }),
    )
  })
})

describe('queued memory', () => {
  test('is reported if its owner detached it', () => {
    const sendQueue = new SendQueue()
    const data = repeated(1, 100)
    sendQueue.append(data)
    sendQueue.take(40)
    expect(sendQueue.isIntact).toBe(true)
    detach(data)
    expect(sendQueue.isIntact).toBe(false)
  })

  test('is reported after a partial header', () => {
    const sendQueue = new SendQueue()
    const data = repeated(1, 100)
    flush(sendQueue, 1)
    sendQueue.append(data)
    sendQueue.take(10)
    detach(data)
    expect(sendQueue.isIntact).toBe(false)
  })

  test('is reported before more is queued', () => {
    const sendQueue = new SendQueue()
    const data = repeated(1, 100)
    sendQueue.append(data)
    sendQueue.take(40)
    detach(data)
    flush(sendQueue, 2)
    expect(sendQueue.isIntact).toBe(false)
  })

  test('is reported if it has shrunk', () => {
    const { view, resize } = resizable(100)
    const sendQueue = new SendQueue()
    sendQueue.append(view)
    resize(50)
    expect(sendQueue.isIntact).toBe(false)
  })
})
