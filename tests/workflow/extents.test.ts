import { describe, expect, it } from '@jest/globals'
import { connect, type Extent, type Handle } from '@nbdjs/core'
import { inProcess } from '@nbdjs/core/in-process'
import { type MetaContextSource, memoryBackend, Server } from '@nbdjs/server'
import { extents } from '../../examples/extents.js'

const MiB = 2 ** 20
const GiB = 2 ** 30
const context = 'x-test:map'

interface Asked {
  readonly offset: number
  readonly length: number
}

/** The block status that a server replies with: lengths and flags, from the start of the range. */
type Describe = (asked: Asked) => Iterable<{ length: number; flags: number }>

/** A handle on an export of `size` bytes, with the block status of `source`. */
const connected = (
  size: number,
  source: MetaContextSource,
  requestExtendedHeaders = true,
): Promise<Handle> => {
  const server = new Server({ exports: { '': memoryBackend(size, { metaContexts: { [context]: source } }) } })
  return connect(
    inProcess((connection) => server.accept(connection)),
    { metaContexts: [context], requestExtendedHeaders },
  )
}

/** The map that extents() yields, the ranges of the requests, and the highest number of requests in flight. */
const mapOf = async (size: number, describeRange: Describe, extendedHeaders = true) => {
  const asked: Asked[] = []
  let running = 0
  let most = 0
  const source = {
    extents: async (length: number | bigint, offset: number | bigint) => {
      const range = { offset: Number(offset), length: Number(length) }
      asked.push(range)
      most = Math.max(most, ++running)
      await new Promise(setImmediate)
      running--
      return describeRange(range)
    },
  }
  await using nbd = await connected(size, source, extendedHeaders)
  const map: Extent[] = []
  for await (const list of extents(nbd, context)) map.push(...list)
  return { map, asked, most }
}

/** Stripes of `stripe` bytes with the flags 0 and 1 in turn, at most `atMost` of them. */
const stripes = (stripe: number, atMost = Number.POSITIVE_INFINITY): Describe =>
  function* ({ offset, length }) {
    for (let at = offset, count = 0; at < offset + length && count < atMost; count++) {
      const end = (Math.floor(at / stripe) + 1) * stripe
      yield { length: end - at, flags: Math.floor(at / stripe) % 2 }
      at = end
    }
  }

const striped = (size: number, stripe: number): Extent[] =>
  Array.from({ length: Math.ceil(size / stripe) }, (_, index) => ({
    offset: BigInt(index * stripe),
    length: BigInt(Math.min(stripe, size - index * stripe)),
    flags: BigInt(index % 2),
  }))

describe('the extents of an export', () => {
  it.each([
    ['in one reply', stripes(100 * MiB)],
    ['that reach beyond the request', stripes(300 * MiB)],
    ['in replies of one extent', stripes(100 * MiB, 1)],
    ['in replies of three extents', stripes(7 * MiB, 3)],
  ])('%s are complete and adjoin', async (_, describeRange) => {
    const size = 4 * GiB + 512
    const [first] = describeRange({ offset: 0, length: size })
    for (const extendedHeaders of [true, false]) {
      const { map } = await mapOf(size, describeRange, extendedHeaders)
      expect(map).toEqual(striped(size, first?.length ?? 0))
    }
  })

  it('with the same flags are merged', async () => {
    const size = 2 ** 40
    const { map, asked } = await mapOf(size, ({ length }) => [{ length, flags: 3 }])
    expect(map).toEqual([{ offset: 0n, length: BigInt(size), flags: 3n }])
    // Four requests at a time, each sixteen times longer if the last reply had few extents.
    const bits = asked.slice(0, 12).map(({ length }) => Math.log2(length))
    expect(bits).toEqual([27, 27, 27, 27, 31, 31, 31, 31, 35, 35, 35, 35])
    expect(asked.length).toBeLessThan(20)
  })

  it('of an empty export are empty', async () => {
    const { map, asked } = await mapOf(0, () => [])
    expect([map, asked]).toEqual([[], []])
  })

  it('are requested four ranges at a time, each byte once', async () => {
    const size = 4 * GiB
    const { asked, most } = await mapOf(size, stripes(MiB / 16))
    expect(most).toBe(4)
    expect(asked.map(({ offset }) => offset)).toEqual(
      asked.map((_, index) => asked.slice(0, index).reduce((sum, { length }) => sum + length, 0)),
    )
    expect(asked.reduce((sum, { length }) => sum + length, 0)).toBe(size)
  })

  it('are requested ahead of the consumer', async () => {
    let asked = 0
    const source = { extents: () => [{ length: 25 * MiB, flags: asked++ }] }
    await using nbd = await connected(100 * MiB, source)
    let lists = 0
    for await (const _ of extents(nbd, context)) {
      lists++
      // This would not end if extents() waited for the consumer.
      while (asked < Math.min(lists + 1, 4)) await new Promise(setImmediate)
    }
    expect([asked, lists]).toEqual([4, 5])
  })

  it('can be abandoned with requests in flight', async () => {
    let answers = 0
    const source = {
      // Only the first request is answered.
      extents: (length: number | bigint) =>
        answers++ === 0 ? [{ length, flags: 3 }] : new Promise<never>(() => {}),
    }
    await using nbd = await connected(4 * GiB, source)
    for await (const list of extents(nbd, context)) {
      // The extent may continue in the next reply.
      expect(list).toEqual([])
      break
    }
    expect(answers).toBeGreaterThan(1)
    nbd.destroy()
    await expect(nbd.closed).rejects.toThrow('the handle was destroyed')
  })
})
