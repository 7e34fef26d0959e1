import { getEventListeners, once } from 'node:events'
import net from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { connect, type HandleOptions, type Transport } from '@nbdjs/core'
import { memoryBackend, Server } from '@nbdjs/server'
import { SocketFolder } from '@nbdjs/testing'
import { nodeTls, nodeTlsServer } from '@nbdjs/tls'
import { command, socketActivation } from '@nbdjs/transport-process'
import { tcp } from '@nbdjs/transport-tcp'
import { unix } from '@nbdjs/transport-unix'
import { hybridVsock } from '@nbdjs/transport-vsock'

const folder = new SocketFolder()
const path = folder.freshPath()
/** Accepts connections and sends nothing. */
const silent = net.createServer((socket) => socket.on('error', () => {}).resume())
silent.listen(path)
const silentTcp = net.createServer((socket) => socket.on('error', () => {}).resume())
silentTcp.listen(0, '127.0.0.1')
afterAll(async () => {
  await Promise.all([silent, silentTcp].map((server) => once(server.close(), 'close')))
  folder.remove()
})

const tcpPort = (): number => (silentTcp.address() as net.AddressInfo).port
const sleeping = ['sleep', '60']

const warnings: Error[] = []
const onWarning = (warning: Error): void => void warnings.push(warning)
beforeEach(() => {
  warnings.length = 0
  process.on('warning', onWarning)
})
afterEach(() => {
  process.off('warning', onWarning)
})

/** Eleven connections with one signal, in the state that `until` waits for, then aborted. */
async function expectNoWarning(
  transport: Transport,
  until: () => Promise<unknown>,
  options: HandleOptions = {},
): Promise<void> {
  const controller = new AbortController()
  const { signal } = controller
  const reason = new Error('enough')
  const settled = Promise.allSettled(
    Array.from({ length: 11 }, () => connect(transport, { ...options, signal })),
  )
  await until()
  expect(getEventListeners(signal, 'abort').length).toBeLessThanOrEqual(1)
  controller.abort(reason)
  expect(await settled).toEqual(Array.from({ length: 11 }, () => ({ status: 'rejected', reason })))
  expect(getEventListeners(signal, 'abort')).toHaveLength(0)
  expect(warnings).toEqual([])
}

describe('G8: eleven connections with one signal print no MaxListenersExceededWarning', () => {
  it.each<[string, () => Transport]>([
    ['unix', () => unix(path)],
    ['TCP', () => tcp('127.0.0.1', tcpPort())],
    ['hybrid vsock', () => hybridVsock(path, 52)],
    ['command', () => command(sleeping)],
    ['socket activation', () => socketActivation(sleeping)],
  ])('%s, while they dial and while they wait for the greeting', async (_, make) => {
    await expectNoWarning(make(), () => new Promise(setImmediate))
    await expectNoWarning(make(), () => sleep(200))
  })

  it('TLS, during its handshake', async () => {
    let waiting = 0
    const provider = nodeTlsServer({ psk: [{ username: 'alice', key: Uint8Array.of(1) }] })
    await using server = new Server({
      exports: { '': memoryBackend(4096) },
      // Never answers.
      tlsProvider: {
        ...provider,
        upgrade: ({ connection, signal }) => {
          waiting++
          connection.start({
            buffer: () => new Uint8Array(1024),
            received: () => {},
            drained: () => {},
            ended: () => {},
            closed: () => {},
          })
          return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
        },
      },
      timeouts: { closeMs: 1 },
    })
    const tlsPath = folder.freshPath()
    await server.listen({ path: tlsPath })
    const tlsProvider = nodeTls({ psk: { username: 'alice', key: Uint8Array.of(1) } })
    const allWait = async (): Promise<void> => {
      while (waiting < 11) await sleep(1)
    }
    await expectNoWarning(unix(tlsPath), allWait, { tls: 'require', tlsProvider })
  })

  it('commands of eleven handles', async () => {
    await using server = new Server({ exports: { '': memoryBackend(4096) } })
    const serverPath = folder.freshPath()
    await server.listen({ path: serverPath })
    const handles = await Promise.all(Array.from({ length: 11 }, () => connect(unix(serverPath))))
    const { signal } = new AbortController()
    const reads = handles.map((nbd) => nbd.pread(512, 0, { signal }))
    expect(getEventListeners(signal, 'abort')).toHaveLength(1)
    await Promise.all(reads)
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
    expect(warnings).toEqual([])
    await Promise.all(handles.map((nbd) => nbd.shutdown()))
  })
})
