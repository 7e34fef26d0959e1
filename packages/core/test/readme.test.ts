import { readFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals'
import { connect, Handle } from '@nbdjs/core'
import { inProcess } from '@nbdjs/core/in-process'
import {
  Cmd,
  ErrorValue,
  encodeListEntry,
  encodeOffsetData,
  encodeOffsetHole,
  Opt,
  Rep,
  ReplyFlag,
  TransmissionFlag,
} from '@nbdjs/core/wire'
import { memoryBackend, Server } from '@nbdjs/server'
import { ready } from './handle/connected.js'
import { ScriptedServer } from './handle/scripted-server.js'
import { rejection } from './handle/settle-promises.js'
import { cells } from './handle/state-table.js'
import { allocated } from './readme/allocated.js'
import { firstExport } from './readme/first-export.js'
import { readAll } from './readme/read-all.js'
import { readOrSkip } from './readme/read-or-skip.js'
import { readTraced } from './readme/read-traced.js'
import { writeAndRead } from './readme/write-and-read.js'

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8')
const readme = read('../README.md')

let printed: unknown[]

beforeEach(() => {
  printed = []
  jest.spyOn(console, 'log').mockImplementation((line) => void printed.push(line))
})

afterEach(() => {
  jest.restoreAllMocks()
})

describe('README.md', () => {
  test.each(['write-and-read', 'read-all', 'first-export', 'read-or-skip', 'read-traced', 'allocated'])(
    'shows %s as it is run here',
    (name) => {
      expect(readme).toContain(`\`\`\`ts\n${read(`readme/${name}.ts`)}\`\`\`\n`)
    },
  )

  test.each([
    'connect',
    'negotiate',
    'setExportName',
    'optGo',
    'pread',
    'shutdown',
    'destroy',
    'info',
    'session',
    'uri',
  ])('shows in its table of states where %s is legal, as it is tested', (call) => {
    const tested = cells().filter((cell) => cell.call === call)
    const legal = tested.map(({ state, next }) => {
      // Legal, but not known before optInfo().
      const isAsked = call === 'info' && state === 'negotiating'
      return next !== undefined || isAsked ? 'yes' : ''
    })
    const rows = readme.split('\n').map((line) => line.split('|').map((cell) => cell.trim()))
    const row = rows.find((cells) => cells.length === 9 && cells[1]?.includes(`\`${call}\``))
    expect(row?.slice(2, 8)).toEqual(legal)
  })

  test('names every option of the handle', () => {
    let message = ''
    try {
      new Handle({ unknown: 1 } as never)
    } catch (error) {
      message = (error as Error).message
    }
    const names = message.replace(/^.* one of /, '').split(', ')
    expect(names.length).toBeGreaterThan(9)
    expect(names.filter((name) => !readme.includes(`\`${name}\``))).toEqual([])
  })
})

describe('its examples', () => {
  test('write-and-read', async () => {
    const server = new ScriptedServer()
    const running = writeAndRead(server.transport)
    await server.handshake({ size: 8192 })
    const write = await server.request(Cmd.Write, { flags: 1, offset: 4096, length: 5 })
    server.answer(write)
    server.answer(await server.request(Cmd.Read, { offset: 4096, length: 5 }), write.data)
    await server.farewell()
    expect(await running).toBe('hello')
    expect(printed).toEqual(['8192 bytes, writable'])
  })

  test('read-all', async () => {
    const size = 20 * 256 * 1024 + 5
    const { handle, server } = await ready({ size })
    const taken = new Map<bigint, number>()
    const running = readAll(handle, (piece, offset) => void taken.set(offset, piece.length))
    for (let pieces = 0; pieces < 21; pieces++) {
      const request = await server.request(Cmd.Read)
      server.answer(request, new Uint8Array(request.length))
    }
    await running
    expect([...taken].sort(([a], [b]) => Number(a - b))).toEqual(
      Array.from({ length: 21 }, (_, index) => [BigInt(index) * 262_144n, index === 20 ? 5 : 262_144]),
    )
    await Promise.all([handle.shutdown(), server.farewell()])
  })

  test('allocated', async () => {
    const server = new Server({ exports: { '': memoryBackend(1024 * 1024) } })
    const transport = inProcess((connection) => server.accept(connection))
    await using nbd = await connect(transport, { metaContexts: ['base:allocation'] })
    await nbd.pwrite(new Uint8Array(65_536).fill(1), 131_072)
    expect(await allocated(nbd, nbd.info.size, 0n)).toEqual([
      { offset: 131_072n, length: 65_536n, flags: 0n },
    ])
  })

  test('first-export', async () => {
    const server = new ScriptedServer()
    const running = firstExport(server.transport)
    await server.open()
    await server.option(Opt.List)
    for (const name of ['secret', 'public', 'other'])
      server.reply(Opt.List, Rep.Server, encodeListEntry({ name, description: '' }))
    server.reply(Opt.List, Rep.Ack)
    await server.option(Opt.Go)
    server.reply(Opt.Go, Rep.ErrPolicy, new TextEncoder().encode('not for you'))
    await server.option(Opt.Go)
    server.grant(Opt.Go)
    const nbd = await running
    expect(nbd).toMatchObject({ state: 'ready', info: { name: 'public' } })
    expect(printed).toEqual([
      'NBD_OPT_GO of export "secret": server replied NBD_REP_ERR_POLICY: "not for you"',
    ])
    await Promise.all([nbd.shutdown(), server.farewell()])
  })

  test('first-export of a server that has none', async () => {
    const server = new ScriptedServer()
    const running = rejection(firstExport(server.transport))
    await server.open()
    await server.option(Opt.List)
    server.reply(Opt.List, Rep.Ack)
    await server.option(Opt.Abort)
    await server.hangUp()
    expect(await running).toEqual(new Error('in-process: offers no export to this client'))
  })

  test('read-traced, whose output is shown as it is here', async () => {
    const server = new ScriptedServer()
    const running = readTraced(server.transport)
    const flags = TransmissionFlag.HasFlags | TransmissionFlag.SendFlush
    await server.handshake({ structuredReplies: true, flags })
    const request = await server.request(Cmd.Read)
    server.send(encodeOffsetData(request, 0, 0, 1024), new Uint8Array(1024))
    server.send(encodeOffsetHole(request, ReplyFlag.Done, 1024, 3072))
    await server.farewell()
    expect(await running).toEqual(new Uint8Array(4096))
    const shown = readme.split(/<!-- trace:(?:begin|end) -->/)[1]
    expect(shown).toBe(`\n\n\`\`\`text\n${printed.join('\n')}\n\`\`\`\n\n`)
  })

  test('read-or-skip', async () => {
    const { handle, server } = await ready()
    const bad = readOrSkip(handle, 1, 0n)
    server.refuse(await server.request(Cmd.Read), ErrorValue.EIO)
    expect(await bad).toBeUndefined()
    const good = readOrSkip(handle, 1, 0n)
    server.answer(await server.request(Cmd.Read), Uint8Array.of(42))
    expect(await good).toEqual(Uint8Array.of(42))
    const denied = rejection(readOrSkip(handle, 1, 0n))
    server.refuse(await server.request(Cmd.Read), ErrorValue.EPERM)
    expect(await denied).toHaveProperty('errno', 'EPERM')
    await Promise.all([handle.shutdown(), server.farewell()])
  })
})
