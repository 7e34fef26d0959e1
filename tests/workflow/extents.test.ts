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

/** What a server tells of a range: lengths and flags, from its beginning. */
type Tell = (asked: Asked) => Iterable<{ length: number; flags: number }>

/** An export of so many bytes, whose map is told by `source`. */
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

/** The map of an export whose server tells so, what it was asked, and how many requests it had at once. */
const mapOf = async (size: number, tell: Tell, extendedHeaders = true) => {
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
      return tell(range)
    },
  }
  await using nbd = await connected(size, source, extendedHeaders)
  const map: Extent[] = []
  for await (const list of extents(nbd, context)) map.push(...list)
  return { map, asked, most }
}

/** Stripes of so many bytes, with the flags 0 and 1 in turn: of the whole range, or of a part of it. */
const stripes = (stripe: number, atMost = Number.POSITIVE_INFINITY): Tell =>
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
    ['that are told whole', stripes(100 * MiB)],
    ['that reach beyond what was asked', stripes(300 * MiB)],
    ['that are told one by one', stripes(100 * MiB, 1)],
    ['that are told three by three', stripes(7 * MiB, 3)],
  ])('%s are all there, and adjoin', async (_, tell) => {
    const size = 4 * GiB + 512
    const [first] = tell({ offset: 0, length: size })
    for (const extendedHeaders of [true, false]) {
      const { map } = await mapOf(size, tell, extendedHeaders)
      expect(map).toEqual(striped(size, first?.length ?? 0))
    }
  })

  it('of one kind are one, of whatever size', async () => {
    const size = 2 ** 40
    const { map, asked } = await mapOf(size, ({ length }) => [{ length, flags: 3 }])
    expect(map).toEqual([{ offset: 0n, length: BigInt(size), flags: 3n }])
    // Four at a time, and sixteen times as much each time that next to nothing came.
    const bits = asked.slice(0, 12).map(({ length }) => Math.log2(length))
    expect(bits).toEqual([27, 27, 27, 27, 31, 31, 31, 31, 35, 35, 35, 35])
    expect(asked.length).toBeLessThan(20)
  })

  it('of an empty export are none', async () => {
    const { map, asked } = await mapOf(0, () => [])
    expect([map, asked]).toEqual([[], []])
  })

  it('are asked for four parts at a time, each byte once', async () => {
    const size = 4 * GiB
    const { asked, most } = await mapOf(size, stripes(MiB / 16))
    expect(most).toBe(4)
    expect(asked.map(({ offset }) => offset)).toEqual(
      asked.map((_, index) => asked.slice(0, index).reduce((sum, { length }) => sum + length, 0)),
    )
    expect(asked.reduce((sum, { length }) => sum + length, 0)).toBe(size)
  })

  it('are asked for the rest while the first of it is looked at', async () => {
    let asked = 0
    const source = { extents: () => [{ length: 25 * MiB, flags: asked++ }] }
    await using nbd = await connected(100 * MiB, source)
    let lists = 0
    for await (const _ of extents(nbd, context)) {
      lists++
      // For ever, if it waited for us.
      while (asked < Math.min(lists + 1, 4)) await new Promise(setImmediate)
    }
    expect([asked, lists]).toEqual([4, 5])
  })

  it('may be left in the middle, with requests on their way', async () => {
    let answers = 0
    const source = {
      // The first one only.
      extents: (length: number | bigint) =>
        answers++ === 0 ? [{ length, flags: 3 }] : new Promise<never>(() => {}),
    }
    await using nbd = await connected(4 * GiB, source)
    for await (const list of extents(nbd, context)) {
      // Its only extent may go on in the next reply.
      expect(list).toEqual([])
      break
    }
    expect(answers).toBeGreaterThan(1)
    nbd.destroy()
    await expect(nbd.closed).rejects.toThrow('the handle was destroyed')
  })
})
