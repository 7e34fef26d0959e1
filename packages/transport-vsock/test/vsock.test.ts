import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { NbdUsageError, parseUri, toUriAddress } from '@nbdjs/core'
import { RecordingReceiver } from '@nbdjs/testing'
import { NitroParentCid } from '../src/address.js'
import type { Syscalls } from '../src/syscalls.js'
import { VsockTransport, vsock } from '../src/vsock.js'
import { type InetServer, inetSyscalls, listenInet } from './inet.js'
import { describeOnLinux } from './on-linux.js'
import { loadNothing, platformOf } from './platforms.js'
import { ScriptedSyscalls } from './scripted-syscalls.js'

const { signal } = new AbortController()

describe('vsock', () => {
  it('has an address', () => {
    expect(vsock(2, 10809).address).toBe('vsock://2:10809')
    expect(vsock(0xffffffff, 0xffffffff, { connectTimeoutMs: 1 }).address).toBe(
      'vsock://4294967295:4294967295',
    )
  })

  it('has a uri, except for port 0, which is the default port in a URI', () => {
    expect(vsock(3, 0xffffffff).uri).toEqual({ transport: 'vsock', cid: 3, port: 0xffffffff })
    expect(vsock(3, 0xffffffff).uri).toEqual(toUriAddress(parseUri('nbd+vsock://3:4294967295')))
    expect(vsock(3, 0).uri).toBeUndefined()
  })

  it.each<[string, () => unknown, string]>([
    [
      'cid',
      () => vsock(2 ** 32, 1),
      'vsock: cid: expected an integer from 0 to 4294967295, received 4294967296',
    ],
    ['port', () => vsock(2, -1), 'vsock: port: expected an integer from 0 to 4294967295, received -1'],
    ...[1.5, Number.NaN, Number.POSITIVE_INFINITY, 2n, '2', true, null, undefined].map(
      (cid) =>
        [
          `cid ${String(cid)}`,
          () => vsock(cid as number, 1),
          'vsock: cid: expected an integer from 0 to 4294967295, received ',
        ] as [string, () => unknown, string],
    ),
    ['options', () => vsock(2, 1, null as never), 'vsock: options: expected an object, received null'],
    [
      'option',
      () => vsock(2, 1, { timeout: 1 } as never),
      "vsock: unknown option 'timeout', expected one of connectTimeoutMs, toHost",
    ],
    ...[0, -1, 2 ** 31, 0.5, '5'].map(
      (connectTimeoutMs) =>
        [
          `timeout ${connectTimeoutMs}`,
          () => vsock(2, 1, { connectTimeoutMs } as never),
          'vsock: connectTimeoutMs: expected an integer from 1 to 2147483647, received ',
        ] as [string, () => unknown, string],
    ),
  ])('rejects a wrong %s at once', (_, call, message) => {
    expect(call).toThrow(NbdUsageError)
    expect(call).toThrow(message)
  })
})

describe('a dial', () => {
  const dialOn = (syscalls: Syscalls, options = {}): Promise<unknown> =>
    new VsockTransport(
      { cid: 2, port: 10809 },
      options,
      platformOf('linux', () => syscalls),
    ).dial({ signal })

  it('passes toHost on, and then has no uri', async () => {
    const addresses: unknown[] = []
    const syscalls = new ScriptedSyscalls({ connect: ['EINVAL'] })
    const { connect } = syscalls
    syscalls.connect = (fd, address?: unknown) => {
      addresses.push(address)
      return connect.call(syscalls, fd)
    }
    await expect(dialOn(syscalls, { toHost: true })).rejects.toMatchObject({
      message: 'dial of vsock://2:10809 failed: connect EINVAL: the option toHost needs Linux 5.11 or newer',
    })
    expect(addresses).toEqual([{ cid: 2, port: 10809, toHost: true }])
    expect(vsock(NitroParentCid, 10809, { toHost: true }).uri).toBeUndefined()
    expect(vsock(NitroParentCid, 10809).uri).toEqual({ transport: 'vsock', cid: 3, port: 10809 })
  })

  it('passes the connect timeout on', async () => {
    const syscalls = new ScriptedSyscalls({ connect: ['ECONNRESET'] })
    await expect(dialOn(syscalls, { connectTimeoutMs: 60_000 })).rejects.toMatchObject({
      errno: 'ECONNRESET',
    })
    expect(syscalls.calls).toEqual(['vsockSocket', 'setConnectTimeout', 'connect', 'close'])
  })

  it('leaves nothing open when the connected socket cannot be adopted', async () => {
    const syscalls = new ScriptedSyscalls({ socketpair: ['EMFILE'] })
    await expect(dialOn(syscalls)).rejects.toMatchObject({
      message:
        'dial of vsock://2:10809 failed: socketpair EMFILE: too many open descriptors; close some, or raise the ' +
        'limit ("ulimit -n")',
    })
    expect(syscalls.open).toEqual([])
    expect(syscalls.faults).toEqual([])
  })

  it('rejects on a platform without vsock', async () => {
    const transport = new VsockTransport({ cid: 2, port: 10809 }, {}, platformOf('darwin', loadNothing))
    await expect(transport.dial({ signal })).rejects.toMatchObject({
      code: 'ERR_NBD_TRANSPORT',
      message: expect.stringContaining('dial of vsock://2:10809 failed: vsock is not supported on darwin'),
    })
  })

  it('rejects with the reason of a signal that is aborted already, before anything is loaded', async () => {
    const reason = new Error('enough')
    const transport = new VsockTransport({ cid: 2, port: 10809 }, {}, platformOf('linux', loadNothing))
    await expect(transport.dial({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
  })

  // Real, except for the family of the socket.
  describeOnLinux('for real', () => {
    let server: InetServer
    let transport: VsockTransport

    beforeEach(async () => {
      server = await listenInet()
      transport = new VsockTransport({ cid: 1, port: server.port }, {}, platformOf('linux', inetSyscalls))
    })

    afterEach(() => server.stop())

    it('dials several connections', async () => {
      for (const text of ['first', 'second']) {
        const accepted = server.accept()
        const connection = await transport.dial({ signal })
        const receiver = new RecordingReceiver()
        connection.start(receiver)
        ;(await accepted).end(text)
        expect(await receiver.textOf(text.length)).toBe(text)
        await connection.close()
      }
    })

    it('rejects a refused connection', async () => {
      await server.stop()
      await expect(transport.dial({ signal })).rejects.toMatchObject({ errno: 'ECONNREFUSED' })
    })
  })
})
