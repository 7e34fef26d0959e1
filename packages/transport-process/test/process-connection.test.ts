import { afterEach, describe, expect, it } from '@jest/globals'
import { type Connection, NbdTransportError, type Transport } from '@nbdjs/core'
import type { RecordingReceiver } from '@nbdjs/testing'
import { command } from '@nbdjs/transport-process'
import { childrenOfThisProcess, describeOnLinux, isRunning, isThere } from './children.js'
import { destroyStarted, started } from './started.js'

const address = 'command:/bin/sh'

/** A script of the shell as a server, and its pid. */
interface Server {
  readonly connection: Connection
  readonly receiver: RecordingReceiver
  readonly pid: number
}

afterEach(destroyStarted)

async function serverOf(script: string, options: { closeMs?: number } = {}): Promise<Server> {
  let pid = 0
  const transport: Transport = command(['/bin/sh', '-c', script], {
    ...options,
    onSpawn: (subprocess) => {
      pid = subprocess.pid
    },
  })
  const { connection, receiver } = await started(transport)
  return { connection, receiver, pid }
}

const said = ({ receiver }: Server, text: string): Promise<void> =>
  receiver.until(() => receiver.text.endsWith(text))

/** Ignores SIGTERM, then prints a line. */
const deaf = 'trap "" TERM; echo ready;'

const hint = 'the server must stay in the foreground, and serve on its standard input and output'

describe('a process that ends by itself', () => {
  it.each([
    ['exit 1', 'exited with code 1'],
    ['echo "no such disk" >&2; exit 3', 'exited with code 3: "no such disk"'],
    ['echo hello; exit 4', 'exited with code 4'],
    ['kill -KILL $$', 'was killed by SIGKILL'],
    ['echo last >&2; kill -SEGV $$', 'was killed by SIGSEGV: "last"'],
    ['exit 0', `exited with code 0 before it sent a byte: ${hint}`],
    ['echo "usage: server" >&2', `exited with code 0 before it sent a byte: "usage: server": ${hint}`],
  ])('%s: is the error of its connection', async (script, text) => {
    const { receiver, pid } = await serverOf(script)
    const error = await receiver.closedWith
    expect(error).toBeInstanceOf(NbdTransportError)
    expect(error).toMatchObject({
      message: `read of ${address} failed: the process ${text}`,
      operation: 'read',
      address,
      errno: 'ECONNRESET',
    })
    expect(receiver.calls.filter((name) => !name.startsWith('received'))).toEqual(['closed'])
    expect(() => process.kill(pid, 0)).toThrow('ESRCH')
  })

  it('is the error of a socket that broke, with that as its cause', async () => {
    const { connection, receiver } = await serverOf('read line; echo "lost" >&2; exit 5')
    // The shell reads byte by byte; what is left unread makes the end a reset.
    connection.write([Buffer.from('line\nunread')])
    expect(await receiver.closedWith).toMatchObject({
      message: `read of ${address} failed: the process exited with code 5: "lost"`,
      errno: 'ECONNRESET',
      cause: expect.objectContaining({ message: expect.stringContaining('ECONNRESET') }),
    })
  })

  it('with code 0 after it served closes the connection in order', async () => {
    const server = await serverOf('echo hello')
    const { connection, receiver } = server
    await receiver.untilCalled('ended')
    expect(receiver.text).toBe('hello\n')
    expect(receiver.calls).not.toContain('closed')
    await connection.close()
    expect(await receiver.closedWith).toBeUndefined()
  })

  it('before start() is reported after it', async () => {
    const transport = command(['/bin/sh', '-c', 'echo hello; echo bad >&2; exit 6'])
    const connection = await transport.dial({ signal: new AbortController().signal })
    await new Promise((resolve) => setTimeout(resolve, 300))
    let text = ''
    const view = new Uint8Array(64)
    const error = await new Promise((resolve) => {
      connection.start({
        buffer: () => view,
        received: (count) => {
          text += Buffer.from(view.subarray(0, count)).toString()
        },
        drained: () => {},
        ended: () => resolve('ended'),
        closed: resolve,
      })
    })
    expect(text).toBe('hello\n')
    expect(error).toMatchObject({
      message: `read of ${address} failed: the process exited with code 6: "bad"`,
    })
  })

  it('is reported with the end of its standard error', async () => {
    const { receiver } = await serverOf('yes "a line of text" | head -n 100000 >&2; echo end >&2; exit 1')
    const error = await receiver.closedWith
    expect(error?.message).toMatch(/code 1: "\.\.\.[a-z \\]*a line of text\\nend"$/)
    expect(error?.message.length).toBeLessThan(6000)
  })
})

describe('a process that closes its side and continues', () => {
  it('can still receive, until close()', async () => {
    const server = await serverOf(`echo hello; exec >&- ; exec node -e '
      const socket = new (require("net").Socket)({ fd: 0, allowHalfOpen: true })
      socket.end("bye").on("data", () => {}).on("end", () => process.exit(0))'`)
    const { connection, receiver } = server
    await receiver.untilCalled('ended')
    expect(receiver.text).toBe('hello\nbye')
    connection.write([Buffer.from('still here')])
    await connection.close()
    expect(await receiver.closedWith).toBeUndefined()
  })

  it('may pass its socket to a child: its exit is not the end of the connection', async () => {
    const server = await serverOf('{ read line <&1; echo "child got $line"; } & echo parent gone; exit 0')
    await said(server, 'parent gone\n')
    server.connection.write([Buffer.from('this\n')])
    await said(server, 'child got this\n')
    await server.connection.close()
    expect(await server.receiver.closedWith).toBeUndefined()
  })
})

describe('close', () => {
  it('waits for the process to exit by itself', async () => {
    const server = await serverOf('echo ready; cat >/dev/null; exec >&- <&-; sleep 0.3; exit 0')
    await said(server, 'ready\n')
    await server.connection.close()
    expect(await server.receiver.closedWith).toBeUndefined()
    expect(() => process.kill(server.pid, 0)).toThrow('ESRCH')
  })

  it('reports a process that did not exit well', async () => {
    const server = await serverOf('echo ready; cat >/dev/null; echo "cannot flush" >&2; exit 9')
    await said(server, 'ready\n')
    await server.connection.close()
    expect(await server.receiver.closedWith).toMatchObject({
      message: `close of ${address} failed: the process exited with code 9: "cannot flush"`,
      operation: 'close',
    })
  })

  it('sends SIGTERM to a process that does not exit after it closed its side: that is not an error', async () => {
    const server = await serverOf('echo ready; cat >/dev/null; exec >&- <&-; exec sleep 60', {
      closeMs: 2000,
    })
    await said(server, 'ready\n')
    await server.connection.close()
    expect(await server.receiver.closedWith).toBeUndefined()
    expect(() => process.kill(server.pid, 0)).toThrow('ESRCH')
  })

  it('sends SIGTERM to a process that does not close its side, and reports it', async () => {
    const server = await serverOf('echo ready; exec sleep 60', { closeMs: 100 })
    await said(server, 'ready\n')
    await server.connection.close()
    expect(await server.receiver.closedWith).toMatchObject({
      message: `close of ${address} failed: the process did not close its side within 100 ms, and was sent SIGTERM`,
      operation: 'close',
      errno: 'ETIMEDOUT',
    })
    expect(() => process.kill(server.pid, 0)).toThrow('ESRCH')
  })

  it('sends SIGKILL in the end', async () => {
    const server = await serverOf(`${deaf} sleep 60 & wait; wait; sleep 60`, { closeMs: 100 })
    await said(server, 'ready\n')
    await server.connection.close()
    expect(await server.receiver.closedWith).toMatchObject({ errno: 'ETIMEDOUT' })
    expect(() => process.kill(server.pid, 0)).toThrow('ESRCH')
  })

  it('C4: does not wait for other processes that hold the socket, and ends them', async () => {
    const server = await serverOf('sleep 60 & echo $! ready; exit 0', { closeMs: 100 })
    await said(server, 'ready\n')
    await server.connection.close()
    expect(await server.receiver.closedWith).toMatchObject({ errno: 'ETIMEDOUT' })
    expect(isRunning(Number.parseInt(server.receiver.text, 10))).toBe(false)
  })

  it('has no limit with 0, and ends with destroy()', async () => {
    const server = await serverOf('echo ready; exec sleep 60', { closeMs: 0 })
    await said(server, 'ready\n')
    let isClosed = false
    const closing = server.connection.close().then(() => {
      isClosed = true
    })
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect(isClosed).toBe(false)
    const reason = new Error('enough')
    server.connection.destroy(reason)
    await closing
    expect(await server.receiver.closedWith).toBe(reason)
  })
})

describe('destroy', () => {
  it('sends SIGTERM at once, and completes when the process was reaped', async () => {
    const server = await serverOf('echo ready; exec sleep 60')
    await said(server, 'ready\n')
    const reason = new Error('destroyed')
    server.connection.destroy(reason)
    expect(await server.receiver.closedWith).toBe(reason)
    expect(() => process.kill(server.pid, 0)).toThrow('ESRCH')
  })

  it('sends SIGKILL to a process that ignores SIGTERM', async () => {
    const server = await serverOf(`${deaf} sleep 60 & wait; wait; sleep 60`)
    await said(server, 'ready\n')
    server.connection.destroy()
    await server.connection.close()
    expect(await server.receiver.closedWith).toBeUndefined()
    expect(() => process.kill(server.pid, 0)).toThrow('ESRCH')
  })

  it('takes precedence over an end that waits for the process', async () => {
    const server = await serverOf('echo ready; exec >&- <&-; exec sleep 60')
    await said(server, 'ready\n')
    // The peer has ended, and ended() waits for how the process does.
    await new Promise((resolve) => setTimeout(resolve, 100))
    const reason = new Error('destroyed')
    server.connection.destroy(reason)
    expect(await server.receiver.closedWith).toBe(reason)
    expect(server.receiver.calls.filter((name) => !name.startsWith('received'))).toEqual(['closed'])
  })

  it('takes precedence while close() waits for the process', async () => {
    const server = await serverOf('echo ready; cat >/dev/null; exec >&- <&-; exec sleep 60')
    await said(server, 'ready\n')
    const closing = server.connection.close()
    await new Promise((resolve) => setTimeout(resolve, 100))
    const reason = new Error('destroyed')
    server.connection.destroy(reason)
    await closing
    expect(await server.receiver.closedWith).toBe(reason)
  })
})

describeOnLinux('after each kind of end', () => {
  it('no process is left, not even a zombie', async () => {
    const before = childrenOfThisProcess()
    const scripts = ['exit 1', 'echo hello', 'exec sleep 60', 'kill -KILL $$']
    const servers = await Promise.all(scripts.map((script) => serverOf(script)))
    expect(childrenOfThisProcess().length).toBeGreaterThan(before.length)
    for (const { connection } of servers) connection.destroy()
    await Promise.all(servers.map(({ connection }) => connection.close()))
    expect(childrenOfThisProcess()).toEqual(before)
    expect(servers.filter(({ pid }) => isThere(pid))).toEqual([])
  })
})
