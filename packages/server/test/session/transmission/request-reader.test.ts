import { describe, expect, it } from '@jest/globals'
import { NbdProtocolError } from '@nbdjs/core'
import { Cmd, Magic } from '@nbdjs/core/wire'
import { memoryBackend } from '@nbdjs/server'
import fc from 'fast-check'
import { concat, hex } from '../../../src/bytes.js'
import { noise } from '../../peer/noise.js'
import { RawClient, type RequestFields, requestBytes, settled } from '../../peer/raw-client.js'
import { SlowBackend } from '../../peer/slow-backend.js'

const KiB = 1024
const MiB = 1024 * KiB

describe('the stream of requests', () => {
  const requests: RequestFields[] = [
    { type: Cmd.Write, cookie: 1n, offset: 10, data: noise(100) },
    { type: Cmd.Read, cookie: 2n, offset: 0, length: 200 },
    { type: Cmd.Write, cookie: 3n, offset: 2 * MiB, data: noise(50 * KiB, 2) },
    { type: Cmd.Write, cookie: 4n, offset: 100, data: noise(50 * KiB, 3) },
    { type: 99, cookie: 5n },
    { type: Cmd.Read, cookie: 6n, offset: 50, length: 60 * KiB },
    { type: Cmd.Write, cookie: 7n, offset: 0, data: noise(20 * KiB, 4) },
    { type: Cmd.WriteZeroes, cookie: 8n, offset: 200, length: 300 },
    { type: Cmd.Read, cookie: 9n, offset: 0, length: 1000 },
    { type: Cmd.Disc },
  ]
  const stream = concat(...requests.map(requestBytes))

  const replies = (cut: (client: RawClient) => void): Uint8Array => {
    const client = new RawClient({ exports: { '': memoryBackend(MiB) } }).enter({ structured: true })
    cut(client)
    expect(client.errors).toEqual([])
    expect(client.connection.isClosing).toBe(true)
    return client.connection.take()
  }
  const whole = replies(({ connection }) => connection.push(stream))

  it('is answered', () => {
    expect(whole.length).toBeGreaterThan(61 * KiB)
  })

  it.each([1, 3, 27, 28, 29, 4096, 65536])('may arrive in pieces of %i bytes', (step) => {
    expect(
      Buffer.compare(
        replies(({ connection }) => connection.push(stream, step)),
        whole,
      ),
    ).toBe(0)
  })

  it('may arrive in pieces of random length', () => {
    const steps = fc.array(fc.integer({ min: 1, max: 40_000 }), { minLength: 1 })
    fc.assert(
      fc.property(steps, (lengths) => {
        const got = replies(({ connection }) => {
          for (let at = 0, turn = 0; at < stream.length; turn++) {
            const length = lengths[turn % lengths.length] as number
            connection.push(stream.subarray(at, at + length))
            at += length
          }
        })
        expect(Buffer.compare(got, whole)).toBe(0)
      }),
      { numRuns: 30 },
    )
  })

  it('ends with an error at a wrong magic', () => {
    const client = new RawClient().enter()
    const bytes = requestBytes({ type: Cmd.Read, length: 1 })
    bytes[3] = 0
    client.connection.push(bytes)
    expect(client.fatal).toBe(`request: expected the magic ${hex(Magic.Request)}, received 0x25609500`)
    expect(client.errors[0]).toMatchObject({
      error: expect.any(NbdProtocolError),
      client: { address: 'test:', exportName: '' },
    })
  })

  it.each([
    [1, 'expected 28 bytes of a request'],
    [27, 'expected 28 bytes of a request'],
    [28, 'expected 40000 bytes of data of NBD_CMD_WRITE'],
    [40_027, 'expected 40000 bytes of data of NBD_CMD_WRITE'],
  ])('ends with an error if the client hangs up after %i bytes of a write', (count, what) => {
    const client = new RawClient().enter()
    client.connection.push(requestBytes({ type: Cmd.Write, data: noise(40_000) }).subarray(0, count))
    client.connection.end()
    expect(client.fatal).toBe(`the client hung up within a request: ${what}`)
  })

  it('ends without an error if the client hangs up between two requests', () => {
    const client = new RawClient().enter()
    client.send({ type: Cmd.Read, length: 5 })
    client.connection.end()
    expect(client.simpleReply().data.length).toBe(5)
    expect(client.connection.isClosing).toBe(true)
    client.connection.hangUp()
    expect(client.errors).toEqual([])
  })
})

describe('the data of writes', () => {
  it.each([
    [{ maximum: 4096 }, 32 * MiB],
    [{}, 32 * MiB],
    [{ maximum: 40 * MiB }, 40 * MiB],
  ])('has at most the length of the maximum or 32 MiB: %p', (blockSize, limit) => {
    const exports = { '': memoryBackend(2 ** 40, { blockSize }) }
    const header = (length: number): Uint8Array => requestBytes({ type: Cmd.Write, length })
    const good = new RawClient({ exports }).enter()
    good.connection.push(header(limit))
    expect(good.isAlive).toBe(true)
    const bad = new RawClient({ exports }).enter()
    bad.connection.push(header(limit + 1))
    expect(bad.fatal).toBe(`NBD_CMD_WRITE: expected at most ${limit} bytes of data, received ${limit + 1}`)
  })

  it('has at most that length also if the write is rejected', () => {
    const client = new RawClient({ exports: { '': memoryBackend(10, { readOnly: true }) } }).enter()
    client.connection.push(requestBytes({ type: Cmd.Write, length: 0xffffffff }))
    expect(client.fatal).toContain('received 4294967295')
  })

  it('is not overwritten while a backend uses it', async () => {
    const backend = new SlowBackend()
    const client = new RawClient({ exports: { '': backend } }).enter()
    const lengths = [100, 40_000, 7, 30_000]
    const writes = lengths.map((length, index) => ({ type: Cmd.Write, data: noise(length, index + 1) }))
    client.send(...writes)
    for (let count = 0; count < 50; count++) client.send({ type: Cmd.Write, data: new Uint8Array(5000) })
    backend.pending.slice(0, 4).forEach(({ data }, index) => {
      expect(Buffer.compare(data ?? noise(0), noise(lengths[index] as number, index + 1))).toBe(0)
    })
    while (backend.pending.length > 0) {
      backend.finish(0)
      await settled()
    }
    expect(client.connection.take().length).toBe(54 * 16)
  })

  it('does not need a staging area for each call of a backend that returns promises', () => {
    const client = new RawClient({ exports: { '': new SlowBackend() } }).enter()
    client.send({ type: Cmd.Write, data: noise(100) })
    const { buffer } = client.connection.buffer
    for (let count = 0; count < 5; count++) client.send({ type: Cmd.Write, data: noise(100) })
    expect(client.connection.buffer.buffer).toBe(buffer)
  })

  it('is bounded by limits.writeBytes', () => {
    const backend = new SlowBackend()
    const client = new RawClient({ exports: { '': backend }, limits: { writeBytes: 100_000 } }).enter()
    client.send({ type: Cmd.Write, data: noise(60_000) }, { type: Cmd.Write, data: noise(40_000) })
    expect(client.isAlive).toBe(true)
    client.send({ type: Cmd.Write, length: 1 })
    expect(client.fatal).toBe(
      'the client has 100001 bytes of writes outstanding: at most 100000 are allowed (limits.writeBytes)',
    )
  })

  it('is not counted once it is written', async () => {
    const backend = new SlowBackend()
    const client = new RawClient({ exports: { '': backend }, limits: { writeBytes: 100_000 } }).enter()
    for (let count = 0; count < 10; count++) {
      client.send({ type: Cmd.Write, data: noise(90_000) })
      if (count % 2 === 0) backend.finish(0)
      else backend.pending[0]?.fail(Object.assign(new Error('no'), { code: 'EIO' }))
      await settled()
    }
    expect(client.isAlive).toBe(true)
  })
})
