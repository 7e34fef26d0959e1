import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import net from 'node:net'
import { afterAll, describe, expect, it } from '@jest/globals'
import { formatUri, NbdTransportError, NbdUsageError, parseUri, toUriAddress } from '@nbdjs/core'
import { listening, SocketFolder } from '@nbdjs/testing'
import { unix } from '@nbdjs/transport-unix'

const { signal } = new AbortController()
const folder = new SocketFolder()
afterAll(() => folder.remove())

const failureOf = async (dial: Promise<unknown>): Promise<NbdTransportError> => {
  const error = await dial.then(
    () => undefined,
    (reason) => reason,
  )
  expect(error).toBeInstanceOf(NbdTransportError)
  return error
}

/** Dials, and returns what the server sends first. */
const greetingAt = async (path: string): Promise<string> => {
  const connection = await unix(path).dial({ signal })
  const view = new Uint8Array(16)
  let greeting = ''
  connection.start({
    buffer: () => view,
    received: (count) => {
      greeting += new TextDecoder().decode(view.subarray(0, count))
    },
    drained: () => {},
    ended: () => {},
    closed: () => {},
  })
  await connection.close()
  return greeting
}

const greeting = async (path: string, test: () => Promise<void>): Promise<void> => {
  const server = net.createServer((socket) => socket.end('hello').resume())
  await listening(server, path)
  try {
    await test()
  } finally {
    await once(server.close(), 'close')
  }
}

describe('address', () => {
  it('is the path', () => {
    expect(unix('/run/nbd.sock').address).toBe('unix:/run/nbd.sock')
    expect(unix('nbd.sock').address).toBe('unix:nbd.sock')
  })
})

it('G4: an address contains no control characters', () => {
  expect(unix('/a\u001b[31m\u009b\u202e').address).toBe('unix:/a\\u001b[31m\\u009b\\u202e')
})

describe('uri', () => {
  it.each([
    ['/run/nbd.sock', 'nbd+unix:///?socket=/run/nbd.sock'],
    ['nbd.sock', 'nbd+unix:///?socket=nbd.sock'],
    ['/a b&socket=c;d%41?#é\n', 'nbd+unix:///?socket=/a%20b%26socket%3Dc%3Bd%2541%3F%23%C3%A9%0A'],
  ])('is the path: %j', (socketPath, expected) => {
    const { uri } = unix(socketPath)
    expect(uri).toEqual({ transport: 'unix', socketPath })
    expect(formatUri(uri ?? { transport: 'vsock' })).toBe(expected)
    expect(toUriAddress(parseUri(expected))).toEqual(uri)
  })

  it('is undefined for a lone surrogate, which no URI can contain', () => {
    expect(unix('/\ud800').uri).toBeUndefined()
  })
})

describe('dial', () => {
  it('connects to the longest path', async () => {
    const short = folder.freshPath()
    const path = short.replace(
      '.sock',
      'x'.repeat((process.platform === 'linux' ? 107 : 103) - short.length + 5),
    )
    await greeting(path, async () => expect(await greetingAt(path)).toBe('hello'))
  })

  it('reports a path that does not exist', async () => {
    const path = folder.freshPath()
    const error = await failureOf(unix(path).dial({ signal }))
    expect(error.message).toBe(
      `dial of unix:${path} failed: connect ENOENT ${path}: is a server running, and is the path right?`,
    )
    expect(error).toMatchObject({ errno: 'ENOENT', operation: 'dial', address: `unix:${path}` })
  })

  it('reports a path without a server', async () => {
    const path = folder.freshPath()
    writeFileSync(path, '')
    const error = await failureOf(unix(path).dial({ signal }))
    expect(error.message).toMatch(/connect E(CONNREFUSED|NOTSOCK) .*/)
    expect(['ECONNREFUSED', 'ENOTSOCK']).toContain(error.errno)
  })
})

// The tests of node-socket cover other platforms.
if (process.platform === 'linux') {
  describe('abstract sockets', () => {
    it('print their NUL as @', () => {
      expect(unix('\0nbd').address).toBe('unix:@nbd')
    })

    it('have a uri', () => {
      expect(unix('\0nbd').uri).toEqual(toUriAddress(parseUri('nbd+unix:///?socket=%00nbd')))
    })

    it.each([20, 107])('are connected to by a name of %d bytes', async (length) => {
      const name = `\0${`nbdjs-${process.pid}-`.padEnd(length, 'x')}`
      await greeting(name, async () => expect(await greetingAt(name)).toBe('hello'))
    })

    it('have no NUL in the message of a failed dial', async () => {
      const error = await failureOf(unix('\0nbdjs-no-server').dial({ signal }))
      expect(error.message).toBe(
        'dial of unix:@nbdjs-no-server failed: connect ECONNREFUSED @nbdjs-no-server: is a server listening there?',
      )
    })
  })
}

describe('usage', () => {
  it('rejects a path that cannot work before anything is opened', () => {
    expect(() => unix('')).toThrow(NbdUsageError)
    expect(() => unix('/run/\0.sock')).toThrow(NbdUsageError)
    expect(() => unix(`/${'x'.repeat(107)}`)).toThrow(NbdUsageError)
  })
})
