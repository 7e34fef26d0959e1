import { describe, expect, it } from '@jest/globals'
import { NbdProtocolError } from '@nbdjs/core'
import { Cmd, encodeClientFlags, encodeInfoRequest, encodeOption, Opt } from '@nbdjs/core/wire'
import { memoryBackend } from '@nbdjs/server'
import fc from 'fast-check'
import { concat } from '../src/bytes.js'
import { noise } from './peer/noise.js'
import { allFlags, extendedRequestBytes, RawClient, requestBytes } from './peer/raw-client.js'

/** Bounded, so that a client cannot allocate much. */
const exports = () => ({ '': memoryBackend(2 ** 20, { limit: 2 ** 20 }) })

/** The server works, and reported at most one protocol error of this client. */
const expectSound = (client: RawClient): void => {
  for (const { error } of client.errors) expect(error).toBeInstanceOf(NbdProtocolError)
  expect(client.errors.length).toBeLessThanOrEqual(1)
  expect(client.connection.destroyReason).toBe(client.errors[0]?.error)
  const next = new RawClient({ exports: exports() }).enter()
  next.send({ type: Cmd.Read, length: 1 })
  expect(next.simpleReply().error).toBe(0)
}

const pieces = fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 10 })
const optionCode = fc.oneof(fc.constantFrom<number>(...Object.values(Opt)), fc.nat(0xffffffff))
const type = fc.oneof(fc.constantFrom<number>(...Object.values(Cmd)), fc.nat(0xffff))

const anyOption = fc.record({ option: optionCode, data: fc.uint8Array({ maxLength: 60 }) })
const anyRequest = fc.record({
  type,
  flags: fc.oneof(fc.constant(0), fc.nat(0xffff)),
  cookie: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  offset: fc.oneof(fc.nat(2 ** 20), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })),
  length: fc.oneof(fc.nat(2 ** 20), fc.nat(0xffffffff)),
})

describe('a hostile client', () => {
  it('may send anything instead of a greeting', () => {
    fc.assert(
      fc.property(pieces, (parts) => {
        const client = new RawClient({ exports: exports() })
        for (const part of parts) client.connection.push(part)
        client.connection.hangUp()
        expectSound(client)
      }),
    )
  })

  it('may send any options, with any data', () => {
    fc.assert(
      fc.property(
        fc.array(anyOption, { maxLength: 20 }),
        fc.integer({ min: 1, max: 99 }),
        (options, step) => {
          const client = new RawClient({ exports: exports() })
          const bytes = options.map(({ option, data }) => encodeOption(option, data))
          client.connection.push(concat(encodeClientFlags(allFlags), ...bytes), step)
          client.connection.hangUp()
          expectSound(client)
        },
      ),
    )
  })

  it('may send any requests', () => {
    fc.assert(
      fc.property(fc.array(anyRequest, { maxLength: 20 }), fc.boolean(), (requests, structured) => {
        const client = new RawClient({ exports: exports() }).enter({ structured })
        client.connection.push(concat(...requests.map((request) => requestBytes(request))))
        client.connection.hangUp()
        expectSound(client)
      }),
    )
  })

  it('may send any requests with extended headers, with any payload', () => {
    const anyExtended = fc.record({
      type,
      flags: fc.oneof(fc.constantFrom(0, 0x20, 0x28), fc.nat(0xffff)),
      offset: fc.oneof(fc.nat(2 ** 20), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })),
      length: fc.oneof(fc.nat(100), fc.nat(2 ** 20), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })),
      data: fc.uint8Array({ maxLength: 100 }),
      saysSo: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.array(anyExtended, { maxLength: 20 }), (requests) => {
        const client = new RawClient({ exports: exports() })
        client.enter({ extended: true, contexts: ['base:allocation'] })
        const bytes = requests.map(({ length, saysSo, ...fields }) =>
          extendedRequestBytes({ ...fields, length: saysSo ? fields.data.length : length }),
        )
        client.connection.push(concat(...bytes))
        client.connection.hangUp()
        expectSound(client)
      }),
    )
  })

  it('may query any metadata contexts', () => {
    const text = fc.uint8Array({ maxLength: 20 })
    const u32 = fc.oneof(fc.nat(30), fc.nat(0xffffffff)).map((value) => {
      const bytes = new Uint8Array(4)
      new DataView(bytes.buffer).setUint32(0, value)
      return bytes
    })
    const data = fc.array(fc.oneof(text, u32), { maxLength: 12 }).map((parts) => concat(...parts))
    const option = fc.constantFrom(Opt.ListMetaContext, Opt.SetMetaContext)
    fc.assert(
      fc.property(fc.array(fc.tuple(option, data), { maxLength: 10 }), fc.boolean(), (asked, structured) => {
        const client = new RawClient({ exports: exports() }).greet()
        if (structured) client.option(Opt.StructuredReply)
        for (const [code, bytes] of asked) expect(client.option(code, bytes).length).toBeGreaterThan(0)
        expect(client.isAlive).toBe(true)
        expectSound(client)
      }),
    )
  })

  it('may send anything instead of requests', () => {
    fc.assert(
      fc.property(pieces, (parts) => {
        const client = new RawClient({ exports: exports() }).enter()
        for (const part of parts) client.connection.push(part)
        client.connection.hangUp()
        expectSound(client)
      }),
    )
  })

  it('may hang up, or break the connection, at every byte of a session', () => {
    const session = concat(
      encodeClientFlags(allFlags),
      encodeOption(Opt.List),
      encodeOption(Opt.StructuredReply),
      encodeOption(Opt.Go, encodeInfoRequest({ exportName: '', infos: [3] })),
      requestBytes({ type: Cmd.Write, data: noise(100) }),
      requestBytes({ type: Cmd.Read, length: 100 }),
      requestBytes({ type: Cmd.Disc }),
    )
    for (let count = 0; count <= session.length; count++) {
      const rude = new RawClient({ exports: exports() })
      rude.connection.push(session.subarray(0, count))
      rude.connection.hangUp()
      expectSound(rude)
      expect(rude.server.connections).toBe(rude.errors.length === 0 ? 0 : 1)
      const broken = new RawClient({ exports: exports() })
      broken.connection.push(session.subarray(0, count))
      broken.connection.break(new Error('connection reset'))
      expect(broken.server.connections).toBe(0)
    }
  })

  it('does not get memory by announced lengths alone', () => {
    const before = process.memoryUsage().arrayBuffers
    const clients = Array.from({ length: 20 }, () => {
      const client = new RawClient({ exports: exports() }).greet()
      const header = encodeOption(Opt.Go)
      new DataView(header.buffer).setUint32(12, 65536)
      client.connection.push(header)
      return client
    })
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(20 * 200_000)
    for (const client of clients) client.connection.hangUp()
  })
})
