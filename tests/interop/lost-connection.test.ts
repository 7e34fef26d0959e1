/** The connection to a real server that is killed, or that stops: the same over every transport (B2, F9). */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { Handle, type HandleOptions, type Transport } from '@nbdjs/core'
import { nodeTls } from '@nbdjs/tls'
import { command, type ProcessOptions, socketActivation } from '@nbdjs/transport-process'
import { describeWith } from './peers/describe-with.js'
import { nbdkit } from './peers/nbdkit.js'
import { makePskFile } from './peers/tls-credentials.js'
import { untilGone, watched } from './spawned-servers.js'
import { transportTo } from './transport-to.js'

const installation = 'host'
let folder: string
let pskFile: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'nbdjs-lost-'))
  pskFile = makePskFile(folder, 'alice')
})
afterAll(() => rmSync(folder, { recursive: true }))

/** A server whose reads take a minute, and the means to end it. */
interface Victim {
  readonly transport: Transport
  readonly options?: HandleOptions
  /** SIGKILL. */
  kill(): void
  /** SIGSTOP: the server lives and is silent. */
  pause(): void
  gone(): Promise<void>
}

const slow = { filters: ['delay'], plugin: 'memory', parameters: ['1M', 'delay-read=60'] }

const listening = async (listenOn: 'unix' | '127.0.0.1', tlsOptions?: readonly string[]): Promise<Victim> => {
  const server = await nbdkit({ ...slow, installation, listenOn, options: tlsOptions ?? [] })
  return {
    transport: transportTo(server),
    kill: server.kill,
    pause: () => process.kill(server.pid, 'SIGSTOP'),
    gone: async () => server.kill(),
  }
}

const spawning = async (
  make: (argv: readonly string[], options: ProcessOptions) => Transport,
): Promise<Victim> => {
  const { options, spawned } = watched()
  const argv = ['nbdkit', '-f', '--filter=delay', 'memory', '1M', 'delay-read=60']
  const signal = (name: NodeJS.Signals): void => {
    for (const { pid } of spawned) process.kill(pid, name)
  }
  return {
    transport: make(argv, options),
    kill: () => signal('SIGKILL'),
    pause: () => signal('SIGSTOP'),
    gone: () => untilGone(spawned),
  }
}

const victims: Readonly<Record<string, () => Promise<Victim>>> = {
  'a unix socket': () => listening('unix'),
  TCP: () => listening('127.0.0.1'),
  TLS: async () => ({
    ...(await listening('127.0.0.1', ['--tls=require', `--tls-psk=${pskFile}`])),
    options: { tls: 'require', tlsProvider: nodeTls({ pskFile, username: 'alice' }) },
  }),
  'a child process': () =>
    spawning(([nbdkitPath = '', ...rest], options) => command([nbdkitPath, '-s', ...rest], options)),
  'socket activation': () => spawning((argv, options) => socketActivation(argv, options)),
}

describeWith('B2: a server', { programs: ['nbdkit'], installation }, () => {
  const whens = ['idle', 'with commands in flight', 'between two options'] as const
  const rows = Object.keys(victims).flatMap((over) => whens.map((when) => ({ over, when })))

  /** Checks that every call and the handle report a lost connection. */
  async function expectLost(handle: Handle, waiting: readonly Promise<unknown>[]): Promise<void> {
    for (const outcome of await Promise.allSettled([...waiting, handle.closed])) {
      expect(outcome).toMatchObject({
        status: 'rejected',
        reason: { name: 'NbdTransportError', errno: 'ENOTCONN', isConnectionLost: true },
      })
    }
    expect(handle.state).toBe('dead')
    expect(handle.inFlight).toBe(0)
    const reason = await handle.closed.catch((error: unknown) => error)
    await expect(handle.flush()).rejects.toMatchObject({
      errno: 'ENOTCONN',
      isConnectionLost: true,
      cause: reason,
    })
    await handle.shutdown()
    await handle[Symbol.asyncDispose]()
  }

  it.each(rows)('over $over that is killed $when', async ({ over, when }) => {
    const victim = await (victims[over] as () => Promise<Victim>)()
    const handle = new Handle(victim.options)
    if (when === 'between two options') await handle.negotiate(victim.transport)
    else await handle.connect(victim.transport)
    const waiting = when === 'with commands in flight' ? [handle.pread(512, 0), handle.pread(4096, 8192)] : []
    // The requests leave at the end of the turn.
    await new Promise(setImmediate)
    for (const promise of waiting) promise.catch(() => {})
    victim.kill()
    await expectLost(handle, waiting)
    await victim.gone()
  })

  it.each(Object.keys(victims))('over %s that stops with commands in flight', async (over) => {
    const victim = await (victims[over] as () => Promise<Victim>)()
    const handle = new Handle({ ...victim.options, timeouts: { requestMs: 100 } })
    await handle.connect(victim.transport)
    victim.pause()
    const waiting = [handle.pread(512, 0), handle.pread(4096, 8192)]
    await expectLost(handle, waiting)
    await expect(handle.closed).rejects.toMatchObject({ cause: { errno: 'ETIMEDOUT' } })
    await victim.gone()
  })
})
