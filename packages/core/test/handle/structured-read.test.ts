import { expect, test } from '@jest/globals'
import { NbdUsageError, type ReadChunk } from '@nbdjs/core'
import {
  Cmd,
  CommandFlag,
  encodeErrorChunk,
  encodeOffsetData,
  encodeOffsetHole,
  ReplyFlag,
  TransmissionFlag,
} from '@nbdjs/core/wire'
import { octets, repeated } from '../bytes.js'
import { ready } from './connected.js'
import { watchLeaks } from './leaks.js'
import { EVERYTHING } from './scripted-server.js'
import { rejection, settled } from './settle-promises.js'

watchLeaks()

const { Done } = ReplyFlag
const offer = { structuredReplies: true, flags: EVERYTHING | TransmissionFlag.SendDf }

// libnbd: nbd_pread_structured
test('chunks are delivered as they arrive, and fill the buffer', async () => {
  const { handle, server } = await ready(offer)
  const chunks: ReadChunk[] = []
  const buffer = repeated(0xff, 8)
  const reading = handle.preadStructured(buffer, 100, (chunk) => chunks.push(chunk))
  const request = await server.request(Cmd.Read, { flags: 0, offset: 100, length: 8 })
  server.send(encodeOffsetHole(request, 0, 104, 4))
  await settled()
  expect(chunks).toEqual([{ kind: 'hole', offset: 104n, length: 4 }])
  server.send(encodeOffsetData(request, Done, 100, 4), octets('01 02 03 04'))
  await reading
  expect(chunks[1]).toEqual({ kind: 'data', offset: 100n, data: octets('01 02 03 04') })
  expect((chunks[1] as { data: Uint8Array }).data.buffer).toBe(buffer.buffer)
  expect(buffer).toEqual(octets('01 02 03 04 00 00 00 00'))
  handle.destroy()
})

test('a simple reply is one chunk of data', async () => {
  const { handle, server } = await ready()
  const chunks: ReadChunk[] = []
  const reading = handle.preadStructured(new Uint8Array(2), 5, (chunk) => chunks.push(chunk))
  server.answer(await server.request(Cmd.Read), octets('0a 0b'))
  await reading
  expect(chunks).toEqual([{ kind: 'data', offset: 5n, data: octets('0a 0b') }])
  handle.destroy()
})

test('an error with an offset is delivered, one without is not, and the promise rejects with the first', async () => {
  const { handle, server } = await ready(offer)
  const chunks: ReadChunk[] = []
  const reading = handle.preadStructured(new Uint8Array(8), 0, (chunk) => chunks.push(chunk), { df: true })
  const request = await server.request(Cmd.Read, { flags: CommandFlag.Df })
  server.send(encodeErrorChunk(request, 0, { value: 5, message: 'here', offset: 6 }))
  server.send(encodeErrorChunk(request, 0, { value: 28, message: 'somewhere' }))
  server.send(encodeOffsetData(request, Done, 0, 6), repeated(1, 6))
  const error = await rejection(reading)
  expect(error).toMatchObject({ errno: 'EIO', errorOffset: 6n })
  expect(chunks).toEqual([
    { kind: 'error', offset: 6n, error },
    { kind: 'data', offset: 0n, data: repeated(1, 6) },
  ])
  handle.destroy()
})

test('a shutdown inside the callback of the last chunk has its effect', async () => {
  const { handle, server } = await ready(offer)
  let leaving: Promise<void> | undefined
  const reading = handle.preadStructured(new Uint8Array(4), 0, () => {
    leaving = handle.shutdown()
  })
  const request = await server.request(Cmd.Read)
  server.send(encodeOffsetData(request, Done, 0, 4), octets('01 02 03 04'))
  await reading
  await server.request(Cmd.Disc)
  await server.hangUp()
  await leaving
  expect(handle.state).toBe('closed')
})

test('an error of the callback fails only the command, after all of its chunks', async () => {
  const { handle, server } = await ready(offer)
  let calls = 0
  const reason = new Error('enough')
  const reading = handle.preadStructured(new Uint8Array(4), 0, () => {
    calls++
    throw reason
  })
  const request = await server.request(Cmd.Read)
  server.send(encodeOffsetHole(request, 0, 0, 2))
  server.send(encodeOffsetHole(request, Done, 2, 2))
  expect(await rejection(reading)).toBe(reason)
  expect([calls, handle.state]).toEqual([2, 'ready'])
  handle.destroy()
})

test('no chunk is delivered after an abort', async () => {
  const { handle, server } = await ready(offer)
  const { signal, ...abortion } = abortable()
  const chunks: ReadChunk[] = []
  const reading = handle.preadStructured(new Uint8Array(4), 0, (chunk) => chunks.push(chunk), { signal })
  const request = await server.request(Cmd.Read)
  abortion.abort()
  await rejection(reading)
  server.send(encodeOffsetData(request, Done, 0, 4), octets('01 02 03 04'))
  await settled()
  expect(chunks).toEqual([])
  expect(handle.state).toBe('ready')
  handle.destroy()
})

test('the callback must be a function', async () => {
  const { handle } = await ready(offer)
  const error = await rejection(handle.preadStructured(new Uint8Array(4), 0, 'tell' as never))
  expect(error).toBeInstanceOf(NbdUsageError)
  expect((error as Error).message).toBe('preadStructured: onChunk: expected a function, received "tell"')
  handle.destroy()
})

function abortable(): { signal: AbortSignal; abort: () => void } {
  const controller = new AbortController()
  return { signal: controller.signal, abort: () => controller.abort() }
}
