import { readFileSync } from 'node:fs'
import { expect, test } from '@jest/globals'
import type { Transport } from '@nbdjs/core'
import { Cmd, ErrorValue } from '@nbdjs/core/wire'
import { ScriptedServer } from './handle/scripted-server.js'
import { rejection } from './handle/settle-promises.js'
import { type Block, writeAll } from './readme/write-all.js'

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8')

const blocks: readonly Block[] = [
  { data: Uint8Array.of(1, 1), offset: 0n },
  { data: Uint8Array.of(2, 2), offset: 512n },
]

/** A transport whose dials reach one server after the other. */
function inTurn(...servers: ScriptedServer[]): Transport {
  const left = [...servers]
  return {
    address: 'memory:',
    dial: (options) => (left.shift() as ScriptedServer).transport.dial(options),
  }
}

test('docs/data-safety.md shows write-all as it is tested here', () => {
  expect(read('../../../docs/data-safety.md')).toContain(`\`\`\`ts\n${read('readme/write-all.ts')}\`\`\`\n`)
})

test('write-all writes every block again after a lost connection, and flushes once', async () => {
  const [first, second] = [new ScriptedServer(), new ScriptedServer()]
  const running = writeAll(inTurn(first, second), {}, blocks)
  await first.handshake()
  first.answer(await first.request(Cmd.Write, { offset: 0 }))
  await first.request(Cmd.Write, { offset: 512 })
  await first.hangUp()
  await second.handshake()
  for (const { data, offset } of blocks) {
    const write = await second.request(Cmd.Write, { offset: Number(offset) })
    expect(write.data).toEqual(data)
    second.answer(write)
  }
  second.answer(await second.request(Cmd.Flush))
  await second.farewell()
  expect(await running).toBeUndefined()
})

test('write-all does not connect again after an error reply', async () => {
  const server = new ScriptedServer()
  const running = rejection(writeAll(inTurn(server), {}, blocks.slice(0, 1)))
  await server.handshake()
  server.refuse(await server.request(Cmd.Write), ErrorValue.ENOSPC)
  await server.farewell()
  expect(await running).toHaveProperty('errno', 'ENOSPC')
})

test('write-all gives up after the last attempt', async () => {
  const server = new ScriptedServer()
  const running = rejection(writeAll(inTurn(server), {}, blocks, 1))
  await server.handshake()
  await server.request(Cmd.Write)
  await server.hangUp()
  expect(await running).toHaveProperty('isConnectionLost', true)
})
