import { mkdtempSync, rmSync } from 'node:fs'
import type net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import {
  type CommandOptions,
  connect,
  type Handle,
  type HandleOptions,
  parseUri,
  type Transport,
} from '@nbdjs/core'
import { memoryBackend } from '@nbdjs/server'
import { nodeTls, nodeTlsServer } from '@nbdjs/tls'
import { tcp } from '@nbdjs/transport-tcp'
import { unix } from '@nbdjs/transport-unix'
import { pausingProxy, randomOf } from './pausing-proxy.js'
import { describeWith } from './peers/describe-with.js'
import { nbdkit } from './peers/nbdkit.js'
import { scratchFolder } from './peers/scratch.js'
import { makeCertificates } from './peers/tls-credentials.js'
import { transportTo } from './transport-to.js'
import { withServer } from './with-server.js'

/**
 * Each buffer is overwritten and used again as soon as its promise has settled, while a proxy pauses at random and commands
 * are aborted at random. No byte may come to the disk that was not given to the command that wrote there, and no byte into a
 * buffer whose promise has settled.
 */

const KiB = 1024
/** Each write has a slot of its own. The slot behind them is for reads. */
const SLOT = 512 * KiB
const WRITES = 48
const SIZE = (WRITES + 1) * SLOT
const LENGTHS = [512, 20 * KiB, 150 * KiB, SLOT] as const
const POOL = 8
const REUSED = 0xee
const READ = 0x55

type Where = 'tcp' | 'unix'
type Random = () => number

const folder = mkdtempSync(join(tmpdir(), 'nbdjs-tls-'))
beforeAll(() => makeCertificates(folder))
afterAll(() => rmSync(folder, { recursive: true }))

const ways: readonly (readonly [string, Where, boolean])[] = [
  ['TCP', 'tcp', false],
  ['a unix socket', 'unix', false],
  ['TLS', 'tcp', true],
]

const pick = <T>(random: Random, values: readonly T[]): T => values[Math.floor(random() * values.length)] as T

/** How a command may be given up, if at all. */
const givingUp = (random: Random): CommandOptions => {
  const ms = 1 + Math.floor(random() * 30)
  const options: CommandOptions[] = [
    {},
    {},
    { signal: AbortSignal.timeout(ms) },
    { signal: AbortSignal.timeout(ms), abort: 'settle' },
    { timeoutMs: ms },
    { timeoutMs: ms, abort: 'settle' },
  ]
  return pick(random, options)
}

/** The byte that fills a slot: neither 0, nor what a buffer is overwritten with. */
const byteOf = (slot: number): number => 1 + (slot % 200)

/** Throws every error but that of a command that was given up. */
const expectGivenUp = (error: unknown): void => {
  const { name, errno } = error as { readonly name: string; readonly errno?: string }
  if (name !== 'TimeoutError' && errno !== 'ETIMEDOUT') throw error
}

/** Writes slot after slot. Returns the length of each write, and whether it resolved. */
async function writeSlots(
  nbd: Handle,
  random: Random,
): Promise<readonly { readonly length: number; readonly isDone: boolean }[]> {
  const results: { length: number; isDone: boolean }[] = []
  let next = 0
  const write = async (): Promise<void> => {
    const memory = new Uint8Array(SLOT)
    for (let slot = next++; slot < WRITES; slot = next++) {
      const length = pick(random, LENGTHS)
      const data = memory.subarray(0, length).fill(byteOf(slot))
      let isDone = true
      try {
        await nbd.pwrite(data, slot * SLOT, givingUp(random))
      } catch (error) {
        isDone = false
        expectGivenUp(error)
      }
      data.fill(REUSED)
      results[slot] = { length, isDone }
    }
  }
  await Promise.all(Array.from({ length: POOL }, write))
  return results
}

/** Reads until the writes are done. Returns the buffers, overwritten. */
async function readMeanwhile(
  nbd: Handle,
  random: Random,
  writing: Promise<unknown>,
): Promise<readonly Uint8Array[]> {
  let isOver = false
  const stop = (): void => {
    isOver = true
  }
  writing.then(stop, stop)
  const buffers: Uint8Array[] = []
  while (!isOver) {
    const buffer = new Uint8Array(pick(random, LENGTHS))
    buffers.push(buffer)
    try {
      await nbd.preadInto(buffer, WRITES * SLOT, givingUp(random))
      if (buffer.some((byte) => byte !== READ)) throw new Error('read a wrong byte')
    } catch (error) {
      expectGivenUp(error)
    }
    buffer.fill(REUSED)
  }
  return buffers
}

/** Every byte of the disk that no command wrote there. */
async function wrongBytes(
  nbd: Handle,
  results: readonly { readonly length: number; readonly isDone: boolean }[],
): Promise<readonly string[]> {
  const wrong: string[] = []
  for (const [slot, { length, isDone }] of results.entries()) {
    const data = await nbd.pread(SLOT, slot * SLOT)
    const at = data.findIndex((byte, index) => {
      if (index >= length) return byte !== 0
      return byte !== byteOf(slot) && (isDone || byte !== 0)
    })
    if (at !== -1) wrong.push(`slot ${slot}, byte ${at} of ${length}: ${data[at]}`)
  }
  return wrong
}

/** `direct` leads to the server, and `target` is where the proxy connects. */
async function reuse(
  direct: Transport,
  target: net.NetConnectOpts,
  where: Where,
  options: HandleOptions,
): Promise<void> {
  const seed = Number(process.env['NBD_TEST_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
  const random = randomOf(seed)
  const path = join(scratchFolder(), 'proxy.sock')
  const listenOn = where === 'unix' ? { path } : { host: '127.0.0.1', port: 0 }
  const proxy = await pausingProxy(listenOn, target, () => random() ** 3 * 8)
  const handles: Handle[] = []
  try {
    const { port } = where === 'unix' ? { port: 0 } : (proxy.server.address() as net.AddressInfo)
    const transport = where === 'unix' ? unix(path) : tcp('127.0.0.1', port)
    const checking = await connect(direct, options)
    handles.push(checking)
    await checking.pwrite(new Uint8Array(SLOT).fill(READ), WRITES * SLOT)
    const nbd = await connect(transport, options)
    handles.push(nbd)
    const writing = writeSlots(nbd, random)
    const [results, buffers] = await Promise.all([writing, readMeanwhile(nbd, random, writing)])
    // A reply that is still in flight is not written anywhere.
    await nbd.flush()
    await nbd.shutdown()
    // A server may carry out a request after the end of its connection.
    await delay(100)
    const wrong = await wrongBytes(checking, results)
    const changed = buffers.filter((buffer) => buffer.some((byte) => byte !== REUSED)).length
    expect({ seed, wrong, changed }).toEqual({ seed, wrong: [], changed: 0 })
    expect(results.some(({ isDone }) => isDone)).toBe(true)
    expect(results.some(({ isDone }) => !isDone)).toBe(true)
    await checking.shutdown()
  } finally {
    for (const handle of handles) handle.destroy()
    await proxy.close()
  }
}

const clientTls = (isTls: boolean): HandleOptions =>
  isTls ? { tls: 'require', tlsProvider: nodeTls({ certificates: folder }) } : {}

describeWith('nbdkit behind a proxy that pauses', { programs: ['nbdkit'], installation: 'host' }, () => {
  it.each(ways)('A1: gets no byte that was not given, over %s', async (_, where, isTls) => {
    const server = await nbdkit({
      installation: 'host',
      listenOn: where === 'unix' ? 'unix' : '127.0.0.1',
      plugin: 'memory',
      parameters: [String(SIZE)],
      options: isTls ? ['--tls=require', `--tls-certificates=${folder}`] : [],
    })
    const { address } = server
    const target = address.kind === 'unix' ? { path: address.socketPath } : { ...address }
    await reuse(transportTo(server), target, where, clientTls(isTls))
  })
})

describe('the embedded server behind a proxy that pauses', () => {
  it.each(ways)('A1: gets no byte that was not given, over %s', async (_, where, isTls) => {
    const tls = isTls ? { tlsProvider: nodeTlsServer({ certificates: folder }) } : {}
    const options = { exports: { '': memoryBackend(SIZE) }, ...tls }
    await withServer(where === 'unix' ? 'unix' : '127.0.0.1', options, async (text) => {
      const uri = parseUri(text)
      if (uri.transport === 'unix') {
        await reuse(unix(uri.socketPath), { path: uri.socketPath }, where, clientTls(isTls))
      } else if (uri.transport === 'tcp') {
        await reuse(tcp(uri.host, uri.port), { host: uri.host, port: uri.port }, where, clientTls(isTls))
      }
    })
  })
})
