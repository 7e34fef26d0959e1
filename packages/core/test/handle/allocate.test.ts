import { afterEach, expect, jest, test } from '@jest/globals'
import { type Bytes, connect, type Handle, type HandleOptions, NbdUsageError } from '@nbdjs/core'
import { inProcess } from '@nbdjs/core/in-process'
import { memoryBackend, Server } from '@nbdjs/server'
import { rejection } from './settle-promises.js'

const size = 1024 * 1024
const server = new Server({ exports: { '': memoryBackend(size) } })

let nbd: Handle | undefined

/** A handle on a disk whose first 512 bytes are 1, and the others a hole. */
async function connected(options: HandleOptions): Promise<Handle> {
  nbd = await connect(
    inProcess((connection) => server.accept(connection)),
    options,
  )
  await nbd.pwrite(new Uint8Array(512).fill(1), 0)
  return nbd
}

afterEach(async () => {
  await nbd?.shutdown()
  nbd = undefined
})

/** Uninitialised memory, at its worst. */
const dirty = (length: number): Bytes => new Uint8Array(length).fill(0xee)

test.each([{}, { requestStructuredReplies: false }])(
  'pread returns what allocate returned, every byte of it written: %j',
  async (mode) => {
    const made: Bytes[] = []
    const allocate = jest.fn((length: number) => {
      const memory = dirty(length)
      made.push(memory)
      return memory
    })
    const handle = await connected({ ...mode, allocate })
    for (const length of [1, 4096, size]) {
      const data = await handle.pread(length, 0)
      expect(data).toBe(made.at(-1))
      expect(Buffer.compare(data, new Uint8Array(length).fill(1, 0, 512))).toBe(0)
    }
    expect(allocate.mock.calls).toEqual([[1], [4096], [size]])
  },
)

test('allocate is for pread only', async () => {
  const allocate = jest.fn(dirty)
  const handle = await connected({ allocate })
  const buffer = new Uint8Array(1024)
  await handle.preadInto(buffer, 0)
  await handle.preadStructured(buffer, 0, () => {})
  await handle.flush()
  expect(buffer).toEqual(new Uint8Array(1024).fill(1, 0, 512))
  expect(allocate).not.toHaveBeenCalled()
  expect(handle.settings).not.toHaveProperty('allocate')
})

test.each<[string, unknown, string]>([
  ['of another length', new Uint8Array(511), 'Uint8Array'],
  ['that is no Uint8Array', new ArrayBuffer(512), 'ArrayBuffer'],
  ['that is shared', new Uint8Array(new SharedArrayBuffer(512)), 'Uint8Array'],
  ['undefined', undefined, 'undefined'],
])('memory %s rejects the read: nothing is sent, and the handle stays ready', async (_, memory, shown) => {
  const handle = await connected({ allocate: (length) => (length === 512 ? memory : dirty(length)) as Bytes })
  const { chunksSent } = handle.stats
  const error = await rejection(handle.pread(512, 0))
  expect(error).toBeInstanceOf(NbdUsageError)
  expect(error).toMatchObject({
    message: `pread of 512 bytes at 0: allocate: expected a Uint8Array of 512 bytes on an ArrayBuffer, received ${shown}`,
  })
  expect(handle.stats.chunksSent).toBe(chunksSent)
  expect(await handle.pread(4, 510)).toEqual(new Uint8Array([1, 1, 0, 0]))
})

test('what allocate throws rejects the read, and is the cause', async () => {
  const cause = new RangeError('no more')
  const handle = await connected({
    allocate: () => {
      throw cause
    },
  })
  expect(await rejection(handle.pread(512, 0))).toMatchObject({
    message: 'pread of 512 bytes at 0: cannot allocate 512 bytes: use a smaller read',
    errno: 'ENOMEM',
    cause,
  })
  expect(handle.state).toBe('ready')
})
