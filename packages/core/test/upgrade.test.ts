import { describe, expect, it } from '@jest/globals'
import type { Connection, Receiver, TlsHandover } from '@nbdjs/core'
import { inProcessPair } from '@nbdjs/core/in-process'
import { UpgradableConnection } from '@nbdjs/core/upgrade'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve))

class Log implements Receiver {
  readonly calls: string[] = []
  readonly view = new Uint8Array(64)

  buffer(): Uint8Array {
    return this.view
  }

  received(count: number): void {
    this.calls.push(new TextDecoder().decode(this.view.subarray(0, count)))
  }

  drained(): void {
    this.calls.push('drained()')
  }

  ended(): void {
    this.calls.push('ended()')
  }

  closed(error?: Error): void {
    this.calls.push(`closed(${error?.message ?? ''})`)
  }
}

type Upgrade = (handover: TlsHandover) => Promise<Connection>

interface Stage {
  readonly connection: UpgradableConnection
  readonly far: Connection
  readonly log: Log
  readonly farLog: Log
}

const stage = (upgrade: Upgrade): Stage => {
  const [near, far] = inProcessPair()
  const connection = new UpgradableConnection(
    near,
    { role: 'client', upgrade },
    { address: 'in-process:', hostName: 'disk.example' },
  )
  const [log, farLog] = [new Log(), new Log()]
  connection.start(log)
  far.start(farLog)
  return { connection, far, log, farLog }
}

/** A provider that makes a recording connection of the plaintext one. */
const marked =
  (marks: string[]): Upgrade =>
  async ({ connection }) => {
    const inner = new Log()
    connection.start(inner)
    await Promise.resolve()
    return {
      start: () => marks.push('start'),
      write: (chunks) => {
        marks.push(`write ${chunks.length}`)
        return true
      },
      close: async () => {
        marks.push('close')
      },
      destroy: () => marks.push('destroy'),
    }
  }

describe('an upgradable connection', () => {
  it('is the plaintext connection at first', async () => {
    const { connection, far, log, farLog } = stage(() => Promise.reject(new Error('never')))
    connection.write([bytes('hello')])
    far.write([bytes('and hello')])
    await settled()
    expect([log.calls, farLog.calls]).toEqual([
      ['and hello', 'drained()'],
      ['hello', 'drained()'],
    ])
    const closing = connection.close()
    void far.close()
    await closing
    expect(log.calls).toEqual(['and hello', 'drained()', 'ended()', 'closed()'])
  })

  it('is the encrypted connection after the upgrade', async () => {
    const marks: string[] = []
    const { connection, far, log } = stage(marked(marks))
    await connection.startTls()
    connection.write([bytes('a'), bytes('b')])
    await connection.close()
    connection.destroy()
    expect(marks).toEqual(['start', 'write 2', 'close', 'destroy'])
    far.write([bytes('for the provider')])
    await settled()
    expect(log.calls).toEqual([])
  })

  it('passes all properties to the provider', async () => {
    const handovers: TlsHandover[] = []
    const { connection } = stage(async (handover) => {
      handovers.push(handover)
      return await marked([])(handover)
    })
    await connection.startTls()
    const [{ address, hostName, original, signal }] = handovers as [TlsHandover]
    expect([address, hostName, signal.aborted]).toEqual(['in-process:', 'disk.example', false])
    expect(original.write).toBeDefined()
  })
})

describe('an upgrade that fails', () => {
  it('destroys the connection, calls closed() last, and rejects', async () => {
    const { connection, log, farLog } = stage(() => Promise.reject(new Error('wrong password')))
    await expect(connection.startTls()).rejects.toMatchObject({
      operation: 'tls',
      message: 'TLS with in-process: failed: wrong password',
    })
    await settled()
    expect(log.calls).toEqual(['closed(TLS with in-process: failed: wrong password)'])
    expect(farLog.calls).toHaveLength(1)
  })

  it('may throw any value synchronously', async () => {
    const { connection } = stage(() => {
      throw 'a string'
    })
    await expect(connection.startTls()).rejects.toMatchObject({
      message: 'TLS with in-process: failed: a string',
    })
  })

  it('ends if the connection is destroyed, even if the provider ignores its signal', async () => {
    const late: string[] = []
    let resolve: (connection: Connection) => void = () => {}
    const { connection, log } = stage(({ connection: plain }) => {
      plain.start(new Log())
      return new Promise((done) => {
        resolve = done
      })
    })
    const upgrading = connection.startTls()
    const reason = new Error('enough')
    connection.destroy(reason)
    await expect(upgrading).rejects.toBe(reason)
    resolve(await marked(late)({ connection } as unknown as TlsHandover).catch(() => never(late)))
    await settled()
    expect(late).toContain('destroy')
    expect(log.calls).toEqual(['closed(enough)'])
  })

  it('ends if the connection is closed meanwhile', async () => {
    const { connection } = stage(({ connection: plain }) => {
      plain.start(new Log())
      return new Promise(() => {})
    })
    const upgrading = connection.startTls()
    void connection.close()
    await expect(upgrading).rejects.toThrow('TLS with in-process: failed: the connection was destroyed')
  })

  it('fails if a byte arrives before the provider has started', async () => {
    const { connection, far, log } = stage(() => new Promise(() => {}))
    const upgrading = connection.startTls()
    far.write([bytes('x')])
    await expect(upgrading).rejects.toMatchObject({
      code: 'ERR_NBD_PROTOCOL',
      message: 'in-process:: received 1 bytes in plaintext before the TLS handshake was begun',
    })
    await settled()
    expect(log.calls).toEqual([expect.stringContaining('closed(')])
  })
})

it('reports an earlier end to a provider that starts late', async () => {
  const inner = new Log()
  const { connection, far } = stage(async (handover) => {
    await settled()
    handover.connection.start(inner)
    await settled()
    throw new Error('too late')
  })
  const upgrading = connection.startTls()
  void far.close()
  await expect(upgrading).rejects.toThrow('too late')
  expect(inner.calls[0]).toBe('ended()')
})

const never = (marks: string[]): Connection => ({
  start: () => {},
  write: () => true,
  close: async () => {},
  destroy: () => marks.push('destroy'),
})
