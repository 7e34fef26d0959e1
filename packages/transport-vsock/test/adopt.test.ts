import { readdirSync } from 'node:fs'
import { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { type Connection, NbdTransportError } from '@nbdjs/core'
import { RecordingReceiver } from '@nbdjs/testing'
import { adoptDescriptor, type OpenSocket } from '../src/adopt.js'
import { connectVsock } from '../src/connect.js'
import { type InetServer, inetSyscalls, listenInet } from './inet.js'
import { describeOnLinux } from './on-linux.js'
import { type Script, ScriptedSyscalls } from './scripted-syscalls.js'

const address = { cid: 2, port: 10809 }

async function everythingFrom(peer: Socket): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of peer.iterator({ destroyOnReturn: false })) chunks.push(chunk)
  return Buffer.concat(chunks)
}

describe('adoptDescriptor, with scripted system calls', () => {
  /** A socket without a real descriptor: the scripted one is closed with it. */
  const openSocket =
    (syscalls: ScriptedSyscalls): OpenSocket =>
    (fd) => {
      const socket = new Socket()
      socket._destroy = (error, callback) => {
        syscalls.close(fd)
        callback(error)
        process.nextTick(() => socket.emit('close'))
      }
      return socket
    }

  const adoptBy = (
    script: Script,
    open?: OpenSocket,
  ): { syscalls: ScriptedSyscalls; run: () => Connection } => {
    const syscalls = new ScriptedSyscalls(script)
    const fd = syscalls.vsockSocket().value as number
    return { syscalls, run: () => adoptDescriptor(syscalls, fd, address, open ?? openSocket(syscalls)) }
  }

  it('keeps one descriptor, which is closed with the connection', async () => {
    const { syscalls, run } = adoptBy({})
    const connection = run()
    expect(syscalls.calls).toEqual(['vsockSocket', 'socketpair', 'dup3', 'close', 'close'])
    expect(syscalls.open).toHaveLength(1)
    connection.destroy()
    await connection.close()
    expect(syscalls.open).toEqual([])
    expect(syscalls.faults).toEqual([])
  })

  it.each<[string, Script, string]>([
    ['socketpair', { socketpair: ['EMFILE'] }, 'EMFILE'],
    ['dup3', { dup3: ['EBUSY'] }, 'EBUSY'],
  ])('leaves nothing open when %s fails', (syscall, script, errno) => {
    const { syscalls, run } = adoptBy(script)
    expect(run).toThrow(NbdTransportError)
    expect(syscalls.open).toEqual([])
    expect(syscalls.faults).toEqual([])

    const again = adoptBy(script)
    expect(again.run).toThrow(`dial of vsock://2:10809 failed: ${syscall} ${errno}`)
  })

  it('leaves nothing open when Node rejects the descriptor', () => {
    const failure = new TypeError('Unsupported fd type: UNKNOWN')
    const { syscalls, run } = adoptBy({}, () => {
      throw failure
    })
    expect(run).toThrow(failure)
    expect(syscalls.open).toEqual([])
    expect(syscalls.faults).toEqual([])
  })
})

// The family of the descriptor makes no difference to the event loop: a TCP socket replaces the vsock here.
describeOnLinux('adoptDescriptor, with real sockets', () => {
  const { signal } = new AbortController()
  const syscalls = inetSyscalls()
  let server: InetServer

  beforeEach(async () => {
    server = await listenInet()
  })

  afterEach(() => server.stop())

  const dial = async (): Promise<{ connection: Connection; peer: Socket; receiver: RecordingReceiver }> => {
    const accepted = server.accept()
    const peerAddress = { cid: 1, port: server.port }
    const connection = adoptDescriptor(
      syscalls,
      await connectVsock(syscalls, peerAddress, { signal }),
      peerAddress,
    )
    return { connection, peer: await accepted, receiver: new RecordingReceiver() }
  }

  it('reads into the memory of the receiver', async () => {
    const { connection, peer, receiver } = await dial()
    connection.start(receiver)
    peer.write('hello')
    expect(await receiver.textOf(5)).toBe('hello')
    peer.destroy()
    connection.destroy()
  })

  it('reads nothing before it is started, and everything then', async () => {
    const { connection, peer, receiver } = await dial()
    peer.end('early')
    await sleep(20)
    connection.start(receiver)
    expect(await receiver.textOf(5)).toBe('early')
    await receiver.untilCalled('ended')
    await connection.close()
    expect(await receiver.closedWith).toBeUndefined()
  })

  it('writes, half-closes and still reads', async () => {
    const { connection, peer, receiver } = await dial()
    connection.start(receiver)
    const chunks = ['one ', 'two ', 'three'].map((text) => new TextEncoder().encode(text))
    expect(connection.write(chunks)).toBe(true)
    const closed = connection.close()
    expect(String(await everythingFrom(peer))).toBe('one two three')
    peer.end('answer')
    expect(await receiver.textOf(6)).toBe('answer')
    await closed
    expect(await receiver.closedWith).toBeUndefined()
  })

  it('applies back-pressure to a writer, and loses nothing', async () => {
    const { connection, peer, receiver } = await dial()
    connection.start(receiver)
    const chunk = new Uint8Array(1024 * 1024).fill(7)
    let written = 0
    do written += chunk.length
    while (connection.write([chunk]))
    const everything = everythingFrom(peer)
    await receiver.untilCalled('drained')
    const closed = connection.close()
    expect(Buffer.alloc(written, 7).equals(await everything)).toBe(true)
    peer.end()
    await closed
  })

  it('reports a reset of the peer', async () => {
    const { connection, peer, receiver } = await dial()
    connection.start(receiver)
    peer.resetAndDestroy()
    expect(await receiver.closedWith).toMatchObject({
      errno: 'ECONNRESET',
      address: `vsock://1:${server.port}`,
    })
  })

  it('leaves no descriptor open', async () => {
    const count = (): number => readdirSync('/dev/fd').length
    const turn = async (): Promise<void> => {
      const { connection, peer, receiver } = await dial()
      connection.start(receiver)
      connection.destroy()
      await connection.close()
      peer.destroy()
      await new Promise((resolve) => peer.once('close', resolve))
    }
    await turn()
    const before = count()
    for (let turns = 0; turns < 50; turns += 1) await turn()
    expect(count()).toBe(before)
  })
})
