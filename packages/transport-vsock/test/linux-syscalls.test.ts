import { closeSync, fstatSync, openSync, readSync, writeSync } from 'node:fs'
import { endianness } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { loadLibc } from '../src/libc.js'
import { encodeSockaddrVm, linuxSyscalls } from '../src/linux-syscalls.js'
import { type InetServer, inetConnect, inetSocket, listenInet } from './inet.js'
import { describeOnLinux } from './on-linux.js'

const syscalls = linuxSyscalls(loadLibc())

const isOpen = (fd: number): boolean => {
  try {
    fstatSync(fd)
    return true
  } catch {
    return false
  }
}

describeOnLinux('socketpair, dup3 and close', () => {
  it('make, rename and close descriptors', () => {
    const pair = syscalls.socketpair()
    const [left, right] = pair.value ?? [-1, -1]
    expect(fstatSync(left).isSocket()).toBe(true)
    writeSync(left, 'there')
    const answer = Buffer.alloc(16)
    expect(readSync(right, answer)).toBe(5)

    const other = openSync('/dev/null', 'r')
    expect(syscalls.dup3(other, left)).toEqual({ value: left })
    expect(fstatSync(left).isCharacterDevice()).toBe(true)
    // The left end of the pair is closed.
    expect(readSync(right, answer)).toBe(0)

    closeSync(other)
    for (const fd of [left, right]) {
      expect(syscalls.close(fd)).toEqual({ value: 0 })
      expect(isOpen(fd)).toBe(false)
    }
  })

  it('are non-blocking and not inherited by other programs', () => {
    const [left, right] = syscalls.socketpair().value ?? [-1, -1]
    const libc = loadLibc()
    const [F_GETFD, F_GETFL, FD_CLOEXEC, O_NONBLOCK] = [1, 3, 1, 0o4000]
    for (const fd of [left, right]) {
      expect((libc('fcntl', fd, F_GETFD).value ?? 0) & FD_CLOEXEC).toBe(FD_CLOEXEC)
      expect((libc('fcntl', fd, F_GETFL).value ?? 0) & O_NONBLOCK).toBe(O_NONBLOCK)
    }
    expect(syscalls.dup3(left, right)).toEqual({ value: right })
    expect((libc('fcntl', right, F_GETFD).value ?? 0) & FD_CLOEXEC).toBe(FD_CLOEXEC)
    syscalls.close(left)
    syscalls.close(right)
  })

  it('name their errors', () => {
    expect(syscalls.close(-1)).toEqual({ errno: 'EBADF' })
    expect(syscalls.dup3(-1, 1)).toEqual({ errno: 'EBADF' })
  })
})

describeOnLinux('poll, SO_ERROR and getpeername', () => {
  let server: InetServer
  let fd: number

  beforeEach(async () => {
    server = await listenInet()
    fd = inetSocket().value ?? -1
    expect(fd).toBeGreaterThan(2)
  })

  afterEach(async () => {
    syscalls.close(fd)
    await server.stop()
  })

  const news = async (): Promise<unknown> => {
    for (let tries = 0; tries < 1000; tries += 1) {
      const poll = syscalls.pollWritable(fd)
      if (poll.value !== 0) return poll
      await sleep(1)
    }
    return 'none'
  }

  it('report a connection', async () => {
    expect(syscalls.getpeername(fd)).toEqual({ errno: 'ENOTCONN' })
    const accepted = server.accept()
    expect(inetConnect(fd, server.port)).toEqual({ errno: 'EINPROGRESS' })
    expect(await news()).toEqual({ value: 1 })
    expect(syscalls.pendingError(fd)).toEqual({ value: 0 })
    expect(syscalls.getpeername(fd)).toEqual({ value: 0 })
    ;(await accepted).destroy()
  })

  it('report why there is none', async () => {
    const { port } = server
    await server.stop()
    expect(inetConnect(fd, port)).toEqual({ errno: 'EINPROGRESS' })
    expect(await news()).toEqual({ value: 1 })
    expect(syscalls.pendingError(fd)).toEqual({ errno: 'ECONNREFUSED' })
    expect(syscalls.getpeername(fd)).toEqual({ errno: 'ENOTCONN' })
  })

  it('fail on a descriptor that is not a socket', () => {
    const file = openSync('/dev/null', 'r')
    expect(syscalls.pendingError(file)).toEqual({ errno: 'ENOTSOCK' })
    expect(syscalls.getpeername(file)).toEqual({ errno: 'ENOTSOCK' })
    closeSync(file)
  })
})

// No vsock is connected on the machine that runs the tests: a hypervisor might answer.
describeOnLinux('vsockSocket', () => {
  it('opens a vsock and sets its timeout, or reports that this system has none', () => {
    const { value: fd, errno } = syscalls.vsockSocket()
    if (fd === undefined) {
      expect(['EAFNOSUPPORT', 'EPERM', 'EACCES']).toContain(errno)
      return
    }
    expect(syscalls.setConnectTimeout(fd, 12_345)).toEqual({ value: 0 })
    const timeval = new Uint8Array(16)
    const length = new Uint8Array(Uint32Array.of(timeval.length).buffer)
    expect(loadLibc()('getsockopt', fd, 40, 6, timeval, length)).toEqual({ value: 0 })
    // The kernel counts in jiffies, of up to 10 ms.
    const [seconds, microseconds] = [...new BigInt64Array(timeval.buffer)].map(Number)
    expect(seconds).toBe(12)
    expect(microseconds).toBeGreaterThanOrEqual(335_000)
    expect(microseconds).toBeLessThanOrEqual(355_000)
    expect(syscalls.close(fd)).toEqual({ value: 0 })
  })
})

describeOnLinux('localCid', () => {
  it('fails on another device', () => {
    const file = openSync('/dev/null', 'r')
    expect(syscalls.localCid(file)).toEqual({ errno: 'ENOTTY' })
    closeSync(file)
  })
})

const isLittle = endianness() === 'LE'

describe('encodeSockaddrVm', () => {
  it('has the layout of <linux/vm_sockets.h>, in the byte order of the machine', () => {
    const bytes = encodeSockaddrVm({ cid: 0xfffffffe, port: 0x01020304 })
    expect(bytes).toHaveLength(16)
    const view = new DataView(bytes.buffer)
    expect(view.getUint16(0, isLittle)).toBe(40)
    expect(view.getUint16(2, isLittle)).toBe(0)
    expect(view.getUint32(4, isLittle)).toBe(0x01020304)
    expect(view.getUint32(8, isLittle)).toBe(0xfffffffe)
    expect([...bytes.subarray(12)]).toEqual([0, 0, 0, 0])
    const toHost = encodeSockaddrVm({ cid: 0xfffffffe, port: 0x01020304, toHost: true })
    expect([...toHost.subarray(0, 12)]).toEqual([...bytes.subarray(0, 12)])
    expect([...toHost.subarray(12)]).toEqual([1, 0, 0, 0])
  })
})
