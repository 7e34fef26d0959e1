import { describe, expect, it } from '@jest/globals'
import { type Connection, NbdStateError, NbdTransportError, type Receiver } from '@nbdjs/core'
import { inProcess, inProcessPair } from '@nbdjs/core/in-process'

const { signal } = new AbortController()
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

/** Writes down every call but buffer(), with the bytes as text. */
class Log implements Receiver {
  readonly calls: string[] = []
  readonly view: Uint8Array
  error: Error | undefined

  constructor(viewLength = 16) {
    this.view = new Uint8Array(viewLength)
  }

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
    this.calls.push('closed()')
    this.error = error
  }
}

/** Lets all microtasks run that are due, and those that they ask for. */
const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve))

function started(options = {}): { near: Connection; far: Connection; nearLog: Log; farLog: Log } {
  const [near, far] = inProcessPair(options)
  const [nearLog, farLog] = [new Log(), new Log()]
  near.start(nearLog)
  far.start(farLog)
  return { near, far, nearLog, farLog }
}

describe('inProcessPair', () => {
  it('delivers in microtasks, never inside write() or start()', async () => {
    const [near, far] = inProcessPair()
    const log = new Log()
    far.start(log)
    near.start(new Log())
    near.write([bytes('hello')])
    expect(log.calls).toEqual([])
    await Promise.resolve()
    expect(log.calls).toEqual(['hello'])
  })

  it('fills a view from many chunks, and cuts a chunk over many views', async () => {
    const [near, far] = inProcessPair()
    const log = new Log(4)
    near.start(new Log())
    near.write([bytes('a'), bytes(''), bytes('bcdef')])
    near.write([bytes('g'), bytes('hi')])
    far.start(log)
    await settled()
    expect(log.calls).toEqual(['abcd', 'efgh', 'i'])
  })

  it('delivers what is written inside received() in order', async () => {
    const { near, farLog } = started()
    const { received } = farLog
    farLog.received = (count) => {
      received.call(farLog, count)
      if (farLog.calls.length < 3) near.write([bytes(`answer ${farLog.calls.length}`)])
    }
    near.write([bytes('question')])
    await settled()
    expect(farLog.calls).toEqual(['question', 'answer 1', 'answer 2'])
  })

  it('A1: lends each chunk until the other end has copied it', async () => {
    const [near, far] = inProcessPair()
    const log = new Log()
    near.start(log)
    expect(near.write([])).toBe(true)
    expect(near.write([bytes(''), bytes('')])).toBe(true)
    expect(near.write([bytes('abc')])).toBe(false)
    expect(near.write([bytes('d')])).toBe(false)
    expect(near.write([bytes('e')])).toBe(false)
    await settled()
    expect(log.calls).toEqual([])
    const farLog = new Log()
    far.start(farLog)
    await settled()
    expect(farLog.calls).toEqual(['abcde'])
    expect(log.calls).toEqual(['drained()'])
    expect(near.write([bytes('f')])).toBe(false)
  })

  it('A1: destroy() ends the loan of what was not yet copied', async () => {
    const { near, farLog } = started()
    const data = bytes('abc')
    expect(near.write([data])).toBe(false)
    near.destroy()
    data.fill(0xee)
    await settled()
    expect(farLog.calls).toEqual(['closed()'])
  })

  it('ends in order after both ends are closed', async () => {
    const { near, far, nearLog, farLog } = started()
    near.write([bytes('last words')])
    const closing = near.close()
    await settled()
    expect(farLog.calls).toEqual(['last words', 'ended()'])
    far.write([bytes('farewell')])
    await Promise.all([closing, far.close()])
    expect(nearLog.calls).toEqual(['farewell', 'ended()', 'closed()'])
    expect(farLog.calls).toEqual(['last words', 'ended()', 'closed()'])
    expect(nearLog.error).toBeUndefined()
    expect(farLog.error).toBeUndefined()
  })

  it('destroy() is a reset at the other end, and drops data in both directions', async () => {
    const { near, far, nearLog, farLog } = started({ address: 'in-process:test' })
    const reason = new Error('enough')
    near.write([bytes('lost')])
    far.write([bytes('lost')])
    near.destroy(reason)
    await settled()
    expect(nearLog).toMatchObject({ calls: ['closed()'], error: reason })
    expect(farLog.calls).toEqual(['closed()'])
    expect(farLog.error).toBeInstanceOf(NbdTransportError)
    expect(farLog.error).toMatchObject({
      message: 'read of in-process:test failed: the other end destroyed the connection: ECONNRESET',
      operation: 'read',
      address: 'in-process:test',
      errno: 'ECONNRESET',
      cause: reason,
    })
  })

  it('calls closed() of a receiver that is started late', async () => {
    const [near, far] = inProcessPair()
    near.destroy()
    await far.close()
    const [nearLog, farLog] = [new Log(), new Log()]
    near.start(nearLog)
    far.start(farLog)
    await settled()
    expect(nearLog).toMatchObject({ calls: ['closed()'], error: undefined })
    expect(farLog.calls).toEqual(['closed()'])
    expect(farLog.error).toMatchObject({ errno: 'ECONNRESET' })
  })

  it('cannot be started twice', () => {
    const [near] = inProcessPair()
    near.start(new Log())
    expect(() => near.start(new Log())).toThrow(NbdStateError)
    expect(() => near.start(new Log())).toThrow('start() was called twice on the connection to in-process:')
  })

  it('rejects an unknown option', () => {
    expect(() => inProcessPair({ mark: 1 } as never)).toThrow(
      "inProcessPair: unknown option 'mark', expected one of address",
    )
  })
})

describe('memory', () => {
  it('passes the other end of each dial to accept', async () => {
    const accepted: Connection[] = []
    const transport = inProcess((far) => accepted.push(far))
    expect(transport.address).toBe('in-process:')
    const near = [await transport.dial({ signal }), await transport.dial({ signal })]
    expect(accepted).toHaveLength(2)
    const logs = accepted.map((far, index) => {
      const log = new Log()
      far.start(log)
      near[index]?.start(new Log())
      near[index]?.write([bytes(`to ${index}`)])
      return log
    })
    await settled()
    expect(logs.map(({ calls }) => calls)).toEqual([['to 0'], ['to 1']])
  })

  it('rejects if accept throws', async () => {
    const cause = new Error('no room')
    let kept: Connection | undefined
    const transport = inProcess(
      (far) => {
        kept = far
        throw cause
      },
      { address: 'in-process:test' },
    )
    await expect(transport.dial({ signal })).rejects.toMatchObject({
      message: 'dial of in-process:test failed: the other end refused: no room',
      operation: 'dial',
      address: 'in-process:test',
      errno: 'ECONNREFUSED',
      cause,
    })
    await kept?.close()
  })

  it('does not call accept if it is aborted', async () => {
    const reason = new Error('changed my mind')
    const accepted: Connection[] = []
    const transport = inProcess((far) => accepted.push(far))
    await expect(transport.dial({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    expect(accepted).toEqual([])
  })
})
