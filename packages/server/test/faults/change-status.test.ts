import { describe, expect, it } from '@jest/globals'
import { blockStatus, blockStatusExt, Chunk, Cmd, encodeBlockStatus, ReplyFlag } from '@nbdjs/core/wire'
import { type MetaContextSource, memoryBackend } from '@nbdjs/server'
import { changeStatus, type StatusChange } from '@nbdjs/server/faults'
import { viewOf } from '../../src/bytes.js'
import { RawClient } from '../peer/raw-client.js'

const source: MetaContextSource = { extents: () => [{ length: 512, flags: 5 }] }
const disk = () => memoryBackend(65536, { metaContexts: { 'x-test:one': source } })

describe.each([false, true])('changeStatus, extended headers: %p', (extended) => {
  const layout = extended ? blockStatusExt : blockStatus
  const type = extended ? Chunk.BlockStatusExt : Chunk.BlockStatus

  /** The chunks of a reply about two contexts. */
  const chunksBy = (
    change: StatusChange,
    ...rest: Parameters<typeof changeStatus> extends [unknown, ...infer R] ? R : never
  ) => {
    const client = new RawClient({ exports: { '': disk() }, faults: [changeStatus(change, ...rest)] })
    client.enter({ extended, contexts: ['base:allocation', 'x-test:one'] })
    client.send({ type: Cmd.BlockStatus, length: 4096, cookie: 9n })
    return client.chunks().map(({ flags, type, payload, cookie }) => {
      expect(cookie).toBe(9n)
      return { flags, type, payload }
    })
  }
  const plain = [
    { flags: 0, type, payload: encodeBlockStatus(layout, 1, [{ length: 4096, flags: 3 }]) },
    { flags: ReplyFlag.Done, type, payload: encodeBlockStatus(layout, 2, [{ length: 512, flags: 5 }]) },
  ]

  it('receives the status, and may keep it', () => {
    const seen: unknown[] = []
    const chunks = chunksBy((status) => {
      seen.push(status)
      return [status]
    })
    expect(chunks).toEqual(plain)
    expect(seen).toEqual([
      { contextId: 1, extents: [{ length: 4096, flags: 3 }] },
      { contextId: 2, extents: [{ length: 512, flags: 5 }] },
    ])
  })

  it('sends other extents of any length', () => {
    const extents = [
      { length: 0, flags: 0 },
      { length: 0xffffffff, flags: 0xffffffff },
    ]
    const chunks = chunksBy((status) => [{ ...status, extents }])
    expect(chunks.map(({ payload }) => payload)).toEqual(
      [1, 2].map((id) => encodeBlockStatus(layout, id, extents)),
    )
  })

  it('sends no extent', () => {
    const lengths = chunksBy((status) => [{ ...status, extents: [] }]).map(({ payload }) => payload.length)
    expect(lengths).toEqual([layout.headLength, layout.headLength])
  })

  it('sends other contexts', () => {
    const chunks = chunksBy((status) => [{ ...status, contextId: status.contextId + 40 }])
    expect(chunks.map(({ payload }) => viewOf(payload).getUint32(0))).toEqual([41, 42])
  })

  it('omits contexts, and completes the reply', () => {
    const without = (id: number) => chunksBy((status) => (status.contextId === id ? [] : [status]))
    const end = { flags: ReplyFlag.Done, type: Chunk.None, payload: new Uint8Array(0) }
    expect(without(1)).toEqual([plain[1]])
    expect(without(2)).toEqual([plain[0], end])
    expect(chunksBy(() => [])).toEqual([end])
  })

  it('sends contexts twice, and ends with the last one', () => {
    const chunks = chunksBy((status) => [status, status])
    expect(chunks.map(({ flags }) => flags)).toEqual([0, 0, 0, ReplyFlag.Done])
  })

  it('states another number of extents if the chunk has one', () => {
    const [chunk] = chunksBy((status) => [{ ...status, count: 1000 }])
    if (extended) expect(viewOf(chunk?.payload ?? new Uint8Array(8)).getUint32(4)).toBe(1000)
    else expect(chunk).toEqual(plain[0])
  })

  it('does not affect other messages', () => {
    expect(
      chunksBy(
        () => [],
        ({ index }) => index < 0,
      ),
    ).toEqual(plain)
    const client = new RawClient({ exports: { '': disk() }, faults: [changeStatus(() => [])] })
    client.enter({ extended, contexts: ['base:allocation'] })
    client.send({ type: Cmd.Read, length: 10 }, { type: Cmd.BlockStatus, length: 0 })
    expect(client.chunks().map((sent) => sent.type)).toEqual([Chunk.OffsetHole, Chunk.Error])
  })
})
