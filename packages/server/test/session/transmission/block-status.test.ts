import { describe, expect, it } from '@jest/globals'
import { Chunk, Cmd, CommandFlag, Opt, ReplyFlag } from '@nbdjs/core/wire'
import {
  type Awaitable,
  type Backend,
  ExportError,
  type Extents,
  type MetaContextSource,
  memoryBackend,
  type ServerOptions,
} from '@nbdjs/server'
import { type EnterOptions, RawClient, settled } from '../../peer/raw-client.js'

const KiB = 1024
const MiB = 1024 * KiB

/** A context that records the calls, and returns the given extents. */
const recording = (answer: () => Awaitable<Extents>) => {
  const calls: unknown[] = []
  const source: MetaContextSource = {
    extents: (...range) => {
      calls.push(range)
      return answer()
    },
  }
  return { calls, source }
}
const fixed = (...pairs: readonly (readonly [number | bigint, number | bigint])[]): MetaContextSource => ({
  extents: () => pairs.map(([length, flags]) => ({ length, flags })),
})

const entered = (
  backend: Backend,
  enter: EnterOptions = {},
  options: Partial<ServerOptions> = {},
): RawClient =>
  new RawClient({ exports: { '': backend }, ...options }).enter({ contexts: ['base:allocation'], ...enter })

/** 64 KiB of data at 64 KiB, and holes around it. */
const sparse = (fields: Parameters<typeof memoryBackend>[1] = {}) => {
  const disk = memoryBackend(MiB, fields)
  disk.write(new Uint8Array(64 * KiB), 64 * KiB)
  return disk
}

describe.each([false, true])('NBD_CMD_BLOCK_STATUS, extended headers: %p', (extended) => {
  // spec: server/metadata/structured-reply, server/block-status/length
  it('returns the allocated ranges and the holes', () => {
    const client = entered(sparse(), { extended })
    client.send({ type: Cmd.BlockStatus, cookie: 77n, length: MiB })
    const [chunk, ...rest] = client.chunks()
    expect(rest).toEqual([])
    expect(chunk).toMatchObject({
      cookie: 77n,
      flags: ReplyFlag.Done,
      type: extended ? Chunk.BlockStatusExt : Chunk.BlockStatus,
    })
    expect(chunk?.payload.length).toBe(extended ? 8 + 3 * 16 : 4 + 3 * 8)
    client.send({ type: Cmd.BlockStatus, length: MiB })
    expect(client.status()).toEqual([
      {
        flags: ReplyFlag.Done,
        contextId: 1,
        extents: [
          [64 * KiB, 3],
          [64 * KiB, 0],
          [MiB - 128 * KiB, 3],
        ],
      },
    ])
  })

  it('begins at the offset of the request, and changes with writes, trims and zeroes', () => {
    const client = entered(sparse(), { extended })
    const status = (offset: number, length: number) => {
      client.send({ type: Cmd.BlockStatus, offset, length })
      return client.status()[0]?.extents
    }
    expect(status(64 * KiB - 10, 20)).toEqual([
      [10, 3],
      [10, 0],
    ])
    expect(status(64 * KiB, 1)).toEqual([[1, 0]])
    client.send({ type: Cmd.Trim, offset: 64 * KiB, length: 64 * KiB })
    client.connection.take()
    expect(status(0, MiB)).toEqual([[MiB, 3]])
    client.send({ type: Cmd.WriteZeroes, flags: CommandFlag.NoHole, offset: MiB - 1, length: 1 })
    client.connection.take()
    expect(status(0, MiB)).toEqual([
      [MiB - 4 * KiB, 3],
      [4 * KiB, 0],
    ])
  })

  // spec: server/metadata/one-chunk-per-context
  it('has a chunk for each selected context, with NBD_REPLY_FLAG_DONE in the last one', () => {
    const metaContexts = {
      'x-a:one': fixed([4096, 7]),
      'x-a:two': fixed([512, 0], [512, 9]),
      'x-a:no': fixed(),
    }
    const client = entered(sparse({ metaContexts }), {
      extended,
      contexts: ['x-a:two', 'x-a:one', 'base:allocation'],
    })
    client.send({ type: Cmd.BlockStatus, length: 64 * KiB })
    expect(client.status()).toEqual([
      { flags: 0, contextId: 1, extents: [[64 * KiB, 3]] },
      { flags: 0, contextId: 2, extents: [[4096, 7]] },
      {
        flags: ReplyFlag.Done,
        contextId: 3,
        extents: [
          [512, 0],
          [512, 9],
        ],
      },
    ])
  })

  // spec: server/block-status/req-one-is-one, server/block-status/req-one-fits, server/command-flags/req-one
  it('has one extent in each chunk under NBD_CMD_FLAG_REQ_ONE, within the request', () => {
    const metaContexts = { 'x-a:one': fixed([100 * KiB, 7], [1, 0]), 'x-a:two': fixed([512, 0], [512, 9]) }
    const client = entered(sparse({ metaContexts }), {
      extended,
      contexts: ['base:allocation', 'x-a:one', 'x-a:two'],
    })
    client.send({ type: Cmd.BlockStatus, flags: CommandFlag.ReqOne, offset: 10, length: 70 * KiB })
    expect(client.status().map((status) => status.extents)).toEqual([
      [[64 * KiB - 10, 3]],
      [[70 * KiB, 7]],
      [[512, 0]],
    ])
  })

  it('queries each selected context once, and no other', () => {
    const one = recording(() => [{ length: 1, flags: 0 }])
    const two = recording(() => [{ length: 1, flags: 0 }])
    const backend: Backend = {
      size: 2n ** 60n,
      read: () => new Uint8Array(0),
      metaContexts: { 'x-a:one': one.source, 'x-a:two': two.source },
    }
    const client = entered(backend, { extended, contexts: ['x-a:two'] })
    client.send({ type: Cmd.BlockStatus, offset: 2n ** 59n, length: 4096 })
    expect(two.calls).toEqual([[4096, 2n ** 59n]])
    expect(one.calls).toEqual([])
  })

  it('returns data if the backend has no method extents', () => {
    const client = entered({ size: 10_000, read: () => new Uint8Array(0) }, { extended })
    client.send({ type: Cmd.BlockStatus, offset: 1000, length: 10 })
    expect(client.status()[0]?.extents).toEqual([[9000, 0]])
  })

  it('waits for backends that return promises', async () => {
    let answer: (extents: Extents) => void = () => {}
    const late = recording(() => new Promise((resolve) => (answer = resolve)))
    const client = entered(
      sparse({ metaContexts: { 'x-a:late': late.source, 'x-a:now': fixed([512, 1]) } }),
      {
        extended,
        contexts: ['x-a:late', 'x-a:now'],
      },
    )
    client.send({ type: Cmd.BlockStatus, length: 4096 })
    await settled()
    expect(client.connection.take()).toHaveLength(0)
    answer([{ length: 4096, flags: 2 }])
    await settled()
    expect(client.status().map((status) => status.extents)).toEqual([[[4096, 2]], [[512, 1]]])
  })

  // spec: server/size-constraints/rules-of-the-command
  it('has at most as many extents as a chunk may hold', () => {
    const alternating: MetaContextSource = {
      *extents() {
        for (let flags = 0; ; flags ^= 1) yield { length: 1, flags }
      },
    }
    const metaContexts = { 'x-a:b': alternating }
    const asked = (fields: Parameters<typeof memoryBackend>[1]) => {
      const client = entered(memoryBackend(4 * MiB, { metaContexts, ...fields }), {
        extended,
        contexts: ['x-a:b'],
      })
      client.send({ type: Cmd.BlockStatus, length: 4 * MiB })
      return client.status()[0]?.extents.length
    }
    expect(asked({})).toBe(2 ** 20)
    // The variable part of a chunk must not be longer than the largest payload.
    expect(asked({ blockSize: { preferred: 512, maximum: 1000 } })).toBe(extended ? 62 : 125)
  })

  describe('is rejected', () => {
    const refusal = (client: RawClient, request: object) => {
      client.send({ type: Cmd.BlockStatus, length: 512, ...request })
      const { error, message } = client.errorChunk()
      expect(client.isAlive).toBe(true)
      return `${error}: ${message}`
    }

    it('if no context is selected', () => {
      const client = new RawClient().enter({ extended, structured: true })
      expect(refusal(client, {})).toBe(
        'EINVAL: NBD_CMD_BLOCK_STATUS: no metadata context is selected for the export',
      )
    })

    it('if the feature is off', () => {
      const features = { blockStatus: false }
      expect(refusal(entered(sparse(), { extended }, { features }), {})).toContain('EINVAL: ')
    })

    it.each([
      [{ offset: MiB, length: 1 }, 'of 1 bytes at 1048576: the export ends at 1048576'],
      [{ offset: MiB - 1, length: 2 }, 'of 2 bytes at 1048575: the export ends at 1048576'],
      [{ offset: 2n ** 64n - 1n, length: 2 }, 'the export ends at 1048576'],
      [{ length: 0 }, 'expected a length of at least 1 byte, received 0'],
      [{ flags: CommandFlag.Df }, 'expected flags within 0x00'],
      [{ flags: CommandFlag.NoHole | CommandFlag.ReqOne }, 'expected flags within 0x00'],
    ])('with %p', (request, message) => {
      expect(refusal(entered(sparse(), { extended }), request)).toContain('EINVAL: NBD_CMD_BLOCK_STATUS')
      expect(refusal(entered(sparse(), { extended }), request)).toContain(message)
    })

    it('if it is not aligned to blocks', () => {
      const client = entered(memoryBackend(MiB, { blockSize: { minimum: 512 } }), { extended })
      expect(refusal(client, { offset: 1 })).toContain('expected multiples of the block size, 512')
      client.send({ type: Cmd.BlockStatus, length: 512 })
      expect(client.status()).toHaveLength(1)
    })
  })

  describe('fails', () => {
    const failed = async (extents: () => Awaitable<Extents>, beside: MetaContextSource = fixed([512, 0])) => {
      // In the order of the queries.
      const metaContexts = { 'x-a:good': beside, 'x-a:bad': { extents } }
      const client = entered(sparse({ metaContexts }), { extended, contexts: ['x-a:good', 'x-a:bad'] })
      client.send({ type: Cmd.BlockStatus, offset: 512, length: 512 })
      await settled()
      const { error, message, offset } = client.errorChunk()
      const reports = client.errors.map((report) => report.error.message)
      client.errors.length = 0
      expect(client.isAlive).toBe(true)
      return { error, message, offset, reports }
    }

    it.each<[string, () => Awaitable<Extents>]>([
      [
        'at once',
        () => {
          throw new ExportError('EIO', 'no map', { offset: 600 })
        },
      ],
      ['later', () => Promise.reject(new ExportError('EIO', 'no map', { offset: 600 }))],
      [
        'while it is iterated',
        function* () {
          yield { length: 1, flags: 0 }
          throw new ExportError('EIO', 'no map', { offset: 600 })
        },
      ],
    ])('with the error of the backend: %s', async (_, extents) => {
      expect(await failed(extents)).toEqual({ error: 'EIO', message: 'no map', offset: 600, reports: [] })
    })

    it('once if several contexts fail', async () => {
      const fail = () => Promise.reject(new ExportError('ENOMEM', 'no map'))
      const outcome = await failed(
        () => {
          throw new ExportError('EIO', 'no map either')
        },
        { extents: fail },
      )
      expect(['EIO', 'ENOMEM']).toContain(outcome.error)
      expect(outcome.reports).toEqual([])
    })

    it.each<[string, Extents, string]>([
      ['nothing', [], 'extents: expected at least one extent'],
      ['an empty extent', [{ length: 0, flags: 0 }], 'expected an integer, at least 1, returned 0'],
      ['what is no list', undefined as never, 'extents: expected an iterable of extents, returned undefined'],
    ])('and reports a backend that returns %s', async (_, extents, report) => {
      const outcome = await failed(() => extents)
      expect(outcome).toMatchObject({ error: 'EIO', message: 'the backend of the export failed' })
      expect(outcome.reports).toEqual([expect.stringContaining(report)])
    })

    it('and reports flags that are too large', async () => {
      const { reports } = await failed(() => [{ length: 1n, flags: extended ? 2n ** 64n : 2n ** 32n }])
      expect(reports).toEqual([expect.stringContaining('extents: flags: expected an integer from 0 to')])
    })
  })
})

// spec: server/base-allocation/allocated-is-writable
it('a write to a range that is no hole succeeds even if no memory is left', () => {
  const disk = memoryBackend(MiB, { limit: 8 * KiB })
  disk.write(new Uint8Array(1), 64 * KiB)
  disk.write(new Uint8Array(1), 256 * KiB)
  const client = entered(disk)
  client.send({ type: Cmd.BlockStatus, length: MiB })
  let at = 0
  for (const [length, flags] of client.status()[0]?.extents ?? []) {
    if (flags === 0) {
      client.send({ type: Cmd.Write, offset: at, data: new Uint8Array(Number(length)).fill(1) })
      expect(client.simpleReply().error).toBe(0)
    }
    at += Number(length)
  }
  client.send({ type: Cmd.Write, data: new Uint8Array(1) })
  expect(client.errorChunk().error).toBe('ENOSPC')
})

it('a compact block status is cut if an extent has more than 32 bits', () => {
  const client = entered(memoryBackend(2n ** 63n - 1n))
  client.send({ type: Cmd.BlockStatus, offset: 2n ** 60n, length: 0xffffffff })
  expect(client.status()[0]?.extents).toEqual([[0xffff0000, 3]])
})

it('block status is rejected without NBD_OPT_SET_META_CONTEXT, whatever was listed', () => {
  const client = new RawClient().greet()
  client.option(Opt.StructuredReply)
  client.metaContext(Opt.ListMetaContext, [])
  client.inform(Opt.Go)
  client.send({ type: Cmd.BlockStatus, length: 1 })
  expect(client.errorChunk().error).toBe('EINVAL')
})

it('block status is rejected without structured replies', () => {
  const client = new RawClient().enter()
  client.send({ type: Cmd.BlockStatus, length: 1 })
  expect(client.simpleReply().error).toBe(22)
})
