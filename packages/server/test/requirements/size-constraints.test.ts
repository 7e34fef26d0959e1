import { describe, expect, it } from '@jest/globals'
import { Chunk, Cmd, CommandFlag, decodeInfo, Info, Opt, Rep, ReplyFlag } from '@nbdjs/core/wire'
import { ExportError, memoryBackend } from '@nbdjs/server'
import { noise } from '../peer/noise.js'
import { RawClient, type RequestFields } from '../peer/raw-client.js'

const blockSize = { minimum: 512, preferred: 4096, maximum: 8192 }
const disk = () => memoryBackend(65536, { content: noise(65536), blockSize })

describe('an export with its own block sizes', () => {
  // spec: server/size-constraints/refuse-cleanly, server/info/unasked-is-not-understood
  it.each<[string, RequestFields]>([
    ['a write that begins between two blocks', { type: Cmd.Write, offset: 1, data: new Uint8Array(512) }],
    ['a write that ends between two blocks', { type: Cmd.Write, data: new Uint8Array(511) }],
    ['a write that is too long', { type: Cmd.Write, data: new Uint8Array(16384) }],
    ['a write that reaches beyond the end', { type: Cmd.Write, offset: 65024, data: new Uint8Array(1024) }],
    ['a trim that begins between two blocks', { type: Cmd.Trim, offset: 1, length: 512 }],
    ['zeroing that ends between two blocks', { type: Cmd.WriteZeroes, length: 1023 }],
  ])('rejects %s of a client that did not request them, and keeps its data', (_, request) => {
    const exported = disk()
    const client = new RawClient({ exports: { '': exported } }).enter()
    client.send(request)
    expect(client.simpleReply().error).not.toBe(0)
    expect(client.isAlive).toBe(true)
    expect(exported.read(65536, 0)).toEqual(noise(65536))
  })

  // spec: server/rep-info/block-size-if-asked
  it.each([Opt.Info, Opt.Go])('sends them on request, by option %i', (option) => {
    const replies = new RawClient({ exports: { '': disk() } }).greet().inform(option, '', [Info.BlockSize])
    expect(replies.at(-1)?.reply).toBe(Rep.Ack)
    const infos = replies.slice(0, -1).map(({ data }) => decodeInfo(data))
    expect(infos).toContainEqual({ kind: 'blockSize', ...blockSize })
  })

  // spec: server/size-constraints/advertise
  it.each([Opt.Info, Opt.Go])('sends them without a request as well, by option %i', (option) => {
    const replies = new RawClient({ exports: { '': disk() } }).greet().inform(option)
    expect(replies.slice(1, -1).map(({ data }) => decodeInfo(data))).toEqual([
      { kind: 'blockSize', ...blockSize },
    ])
    const plain = new RawClient({ exports: { '': memoryBackend(65536) } }).greet().inform(option)
    expect(plain.slice(1, -1)).toEqual([])
  })

  // spec: server/read/df-up-to-64k
  it('reads 65536 bytes in one chunk if DF is announced', () => {
    const exported = memoryBackend(131_072, { blockSize: { ...blockSize, maximum: 65536 } })
    const client = new RawClient({ exports: { '': exported } }).enter({ structured: true })
    client.send({ type: Cmd.Read, flags: CommandFlag.Df, length: 65536 })
    expect(client.chunks()).toMatchObject([{ type: Chunk.OffsetData, flags: ReplyFlag.Done }])
  })

  // spec: server/read/df-overflow-has-no-content
  it('sends only the error for a read with DF that is too long', () => {
    const exported = memoryBackend(131_072, { blockSize: { ...blockSize, maximum: 65536 } })
    const client = new RawClient({ exports: { '': exported } }).enter({ structured: true })
    client.send({ type: Cmd.Read, flags: CommandFlag.Df, length: 131_072 })
    expect(client.errorChunk().error).toBe('EOVERFLOW')
  })

  // spec: server/reply-types/within-the-maximum
  it.each([{ structured: true }, { extended: true }])('has no longer chunk, %p', (how) => {
    const small = { minimum: 1, preferred: 512, maximum: 512 }
    const bad = new ExportError('EIO', 'bad sector '.repeat(100))
    const read = (): never => {
      throw bad
    }
    const extents = Array.from({ length: 512 }, (_, index) => ({ length: 1, flags: index % 2 }))
    const exported = { ...memoryBackend(512, { blockSize: small }), read, extents: () => extents }
    const client = new RawClient({ exports: { '': exported } })
    client.enter({ ...how, contexts: ['base:allocation'] })
    client.send({ type: Cmd.Read, length: 512 })
    expect(client.errorChunk().message).toHaveLength(512)
    client.send({ type: Cmd.BlockStatus, length: 512 })
    const [status] = client.status()
    expect(status?.extents).toHaveLength('extended' in how ? 32 : 64)
  })
})
