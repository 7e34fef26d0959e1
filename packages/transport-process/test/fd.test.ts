import { once } from 'node:events'
import { openSync } from 'node:fs'
import { Socket } from 'node:net'
import { afterEach, describe, expect, it } from '@jest/globals'
import { NbdTransportError, NbdUsageError } from '@nbdjs/core'
import { RecordingReceiver } from '@nbdjs/testing'
import { fd } from '@nbdjs/transport-process'
import { close, isOpen, looseSocket, socketPair } from './descriptors.js'
import { failureOf } from './started.js'

const { signal } = new AbortController()
const kept: number[] = []
const keep = (descriptor: number): number => {
  kept.push(descriptor)
  return descriptor
}
/** A pair of which the test closes both ends. */
const keptPair = (kind?: 'datagram'): number => {
  const [ours, theirs] = socketPair(kind)
  keep(theirs)
  return keep(ours)
}

afterEach(() => {
  for (const descriptor of kept.splice(0)) if (isOpen(descriptor)) close(descriptor)
})

describe('fd', () => {
  it.each([
    [-1, '-1'],
    [1.5, '1.5'],
    [2 ** 31, '2147483648'],
    [Number.NaN, 'NaN'],
    ['3', '"3"'],
    [undefined, 'undefined'],
    [3n, '3n'],
  ])('rejects %p', (descriptor, printed) => {
    const message = `fd: descriptor: expected an integer from 0 to 2147483647, received ${printed}`
    expect(() => fd(descriptor as number)).toThrow(NbdUsageError)
    expect(() => fd(descriptor as number)).toThrow(expect.objectContaining({ message, errno: 'EINVAL' }))
  })

  it('has an address with its number', () => {
    expect(fd(0).address).toBe('fd:0')
  })

  it('takes ownership: the descriptor is closed with the connection', async () => {
    const [ours, theirs] = socketPair()
    keep(theirs)
    const connection = await fd(ours).dial({ signal })
    expect(isOpen(ours)).toBe(true)
    connection.destroy()
    await connection.close()
    expect(isOpen(ours)).toBe(false)
  })

  it('carries bytes both ways', async () => {
    const [ours, theirs] = socketPair()
    const far = new Socket({ fd: theirs })
    const connection = await fd(ours).dial({ signal })
    const receiver = new RecordingReceiver()
    connection.start(receiver)
    far.write('hello')
    connection.write([Buffer.from('world')])
    await receiver.until(() => receiver.text === 'hello')
    expect(String(await once(far, 'data'))).toBe('world')
    far.end()
    await connection.close()
    expect(await receiver.closedWith).toBeUndefined()
  })
})

describe('a dial that fails', () => {
  const refusals: readonly (readonly [string, () => number, string, (fd: number) => string])[] = [
    [
      'is not open',
      () => {
        const [ours, theirs] = socketPair()
        close(ours)
        close(theirs)
        return ours
      },
      'EBADF',
      () => 'EBADF: bad file descriptor, fstat',
    ],
    [
      'is a file',
      () => keep(openSync('/dev/null', 'r')),
      'ENOTSOCK',
      (fd) => `descriptor ${fd} is not a socket`,
    ],
    [
      'is a datagram socket',
      () => keptPair('datagram'),
      'ENOTSUP',
      (fd) => `descriptor ${fd} is a socket that Node cannot adopt: expected a stream socket, TCP or unix`,
    ],
  ]

  it.each(refusals)('because it %s leaves it to the caller', async (_, make, errno, text) => {
    const descriptor = make()
    const wasOpen = isOpen(descriptor)
    const transport = fd(descriptor)
    for (let attempt = 0; attempt < 2; attempt++) {
      const error = await failureOf(transport)
      expect(error).toBeInstanceOf(NbdTransportError)
      expect(error).toMatchObject({
        message: `dial of fd:${descriptor} failed: ${text(descriptor)}`,
        errno,
        operation: 'dial',
        address: `fd:${descriptor}`,
      })
    }
    expect(isOpen(descriptor)).toBe(wasOpen)
  })

  it('when aborted leaves the descriptor to the next dial', async () => {
    const ours = keptPair()
    const transport = fd(ours)
    const reason = new Error('aborted')
    expect(await failureOf(transport, AbortSignal.abort(reason))).toBe(reason)
    const controller = new AbortController()
    const dial = failureOf(transport, controller.signal)
    controller.abort(reason)
    expect(await dial).toBe(reason)
    expect(isOpen(ours)).toBe(true)
    const connection = await transport.dial({ signal })
    connection.destroy()
    await connection.close()
  })

  it('because there was one before fails while that one is open and after it', async () => {
    const ours = keptPair()
    const transport = fd(ours)
    const [first, second] = await Promise.allSettled([transport.dial({ signal }), transport.dial({ signal })])
    const taken = {
      message: `dial of fd:${ours} failed: descriptor ${ours} belongs to the connection of an earlier dial`,
      errno: 'EALREADY',
    }
    expect(second).toMatchObject({ status: 'rejected', reason: taken })
    if (first?.status !== 'fulfilled') throw new Error('the first dial failed')
    first.value.destroy()
    await first.value.close()
    expect(await failureOf(transport)).toMatchObject(taken)
  })
})

describe('a socket that is not connected', () => {
  it('fails at its first read', async () => {
    const descriptor = looseSocket()
    const connection = await fd(descriptor).dial({ signal })
    const receiver = new RecordingReceiver()
    connection.start(receiver)
    expect(await receiver.closedWith).toMatchObject({
      message: `read of fd:${descriptor} failed: read ENOTCONN`,
      errno: 'ENOTCONN',
    })
    expect(isOpen(descriptor)).toBe(false)
  })
})
