import { describe, expect, test } from '@jest/globals'
import { NbdUsageError } from '@nbdjs/core'
import { Trace } from '../../../src/protocol/debug/trace.js'
import { defaultLimits, type Limits } from '../../../src/protocol/limits.js'
import { SendQueue } from '../../../src/protocol/send-queue.js'
import { StatsCounter } from '../../../src/protocol/session.js'
import type { Command } from '../../../src/protocol/transmission/command.js'
import { InFlight } from '../../../src/protocol/transmission/in-flight.js'
import { RequestQueue } from '../../../src/protocol/transmission/request-queue.js'
import { concat, viewOf } from '../../../src/wire/bytes.js'
import { Cmd, CommandFlag } from '../../../src/wire/constants.js'
import { decodeRequest, REQUEST_LENGTH, type Request } from '../../../src/wire/request.js'
import { repeated } from '../../bytes.js'
import { detach, resizable } from '../detached-memory.js'
import { cookieOf, flush, read, trim, write } from './commands.js'

const PLENTY = 1024 * 1024 * 1024

class Desk {
  readonly inFlight = new InFlight<Command>()
  readonly sendQueue = new SendQueue()
  readonly stats = new StatsCounter()
  readonly refused: Command[] = []
  readonly writer: RequestQueue<Command>

  constructor(limits: Partial<Limits> = {}, trace: Trace = new Trace(() => {})) {
    const all = { ...defaultLimits, ...limits }
    this.writer = new RequestQueue(this.inFlight, all, this.stats, trace, (command) =>
      this.refused.push(command),
    )
  }

  push(...commands: Command[]): void {
    for (const command of commands) this.writer.push(command)
  }

  /** What is sent now. */
  fill(length = PLENTY): Uint8Array {
    this.writer.fill(this.sendQueue, length)
    return concat(...this.sendQueue.take(PLENTY))
  }

  answer(...commands: Command[]): void {
    for (const command of commands) this.inFlight.remove(command)
  }
}

function requestsIn(bytes: Uint8Array): (Request | undefined)[] {
  return Array.from({ length: bytes.length / REQUEST_LENGTH }, (_, index) =>
    decodeRequest(viewOf(bytes), index * REQUEST_LENGTH),
  )
}

function states(...commands: Command[]): string[] {
  return commands.map(({ state }) => state)
}

describe('a request', () => {
  test('has the fields of the command and its cookie', () => {
    const desk = new Desk()
    const command = trim(0xffffffff, 2n ** 63n, { flags: CommandFlag.Fua })
    desk.push(command)
    expect(requestsIn(desk.fill())).toEqual([
      {
        ...{ flags: CommandFlag.Fua, type: Cmd.Trim, offset: 2n ** 63n, length: 0xffffffff },
        ...cookieOf(command),
      },
    ])
    expect(states(command)).toEqual(['sent'])
    expect(desk.inFlight.find(command.serial, command.slot)).toBe(command)
    expect(desk.stats.chunksSent).toBe(1)
  })

  test('to write is followed by its data without a copy', () => {
    const desk = new Desk()
    const data = repeated(7, 5)
    desk.push(write(data, 512))
    desk.writer.fill(desk.sendQueue, PLENTY)
    const chunks = desk.sendQueue.take(PLENTY)
    expect(chunks.map(({ length }) => length)).toEqual([28, 5])
    expect(chunks[1]).toBe(data)
  })

  test('leaves in the order of the queue', () => {
    const desk = new Desk()
    const commands = [read(1, 3), read(1, 1), read(1, 2)]
    desk.push(...commands)
    expect(requestsIn(desk.fill()).map((request) => request?.offset)).toEqual([3, 1, 2])
  })

  test('leaves once', () => {
    const desk = new Desk()
    desk.push(read(1))
    expect([desk.fill().length, desk.fill().length]).toEqual([28, 0])
  })
})

describe('the queue', () => {
  test('counts waiting commands', () => {
    const desk = new Desk({ inFlightCommands: 1 })
    desk.push(read(1), read(1), read(1))
    expect(desk.writer.waiting).toBe(3)
    desk.fill()
    expect(desk.writer.waiting).toBe(2)
  })

  test('stops at the limit of commands in flight, and continues with each reply', () => {
    const desk = new Desk({ inFlightCommands: 2 })
    const [a, b, c, d] = [flush(), flush(), flush(), flush()]
    desk.push(a, b, c, d)
    desk.fill()
    expect(states(a, b, c, d)).toEqual(['sent', 'sent', 'waiting', 'waiting'])
    desk.answer(b)
    desk.fill()
    expect(states(c, d)).toEqual(['sent', 'waiting'])
    desk.answer(a, c)
    desk.fill()
    expect(states(d)).toEqual(['sent'])
  })

  test('stops at the limit of bytes in flight, both directions together', () => {
    const desk = new Desk({ inFlightBytes: 1000 })
    const [a, b, c, d] = [read(600), write(repeated(1, 400)), write(repeated(1, 1)), read(1)]
    desk.push(a, b, c, d)
    desk.fill()
    expect(states(a, b, c, d)).toEqual(['sent', 'sent', 'waiting', 'waiting'])
    desk.answer(b)
    desk.fill()
    expect(states(c, d)).toEqual(['sent', 'sent'])
  })

  test('does not count bytes that are not transferred', () => {
    const desk = new Desk({ inFlightBytes: 1000 })
    const commands = [read(1000), trim(PLENTY), trim(0xffffffff), flush()]
    desk.push(...commands)
    desk.fill()
    expect(states(...commands)).toEqual(['sent', 'sent', 'sent', 'sent'])
  })

  test('keeps its order: a command that fits does not overtake one that does not', () => {
    const desk = new Desk({ inFlightBytes: 1000 })
    const [a, b, c] = [read(600), read(600), read(1)]
    desk.push(a, b, c)
    desk.fill()
    expect(states(a, b, c)).toEqual(['sent', 'waiting', 'waiting'])
  })

  test('sends a command that is larger than the window alone', () => {
    const desk = new Desk({ inFlightBytes: 1000 })
    const [small, large, next] = [read(1), read(5000), flush()]
    desk.push(small, large, next)
    desk.fill()
    expect(states(small, large, next)).toEqual(['sent', 'waiting', 'waiting'])
    desk.answer(small)
    desk.fill()
    expect(states(large, next)).toEqual(['sent', 'waiting'])
    desk.answer(large)
    desk.fill()
    expect(states(next)).toEqual(['sent'])
  })

  test('stops once enough bytes wait to be sent', () => {
    const desk = new Desk()
    const commands = Array.from({ length: 10 }, () => write(repeated(1, 100)))
    desk.push(...commands)
    desk.writer.fill(desk.sendQueue, 300)
    expect(desk.sendQueue.length).toBe(3 * 128)
    desk.writer.fill(desk.sendQueue, 300)
    expect(desk.sendQueue.length).toBe(3 * 128)
    desk.sendQueue.take(200)
    desk.writer.fill(desk.sendQueue, 300)
    expect(desk.sendQueue.length).toBe(184 + 128)
  })

  test('remembers the command that was sent last', () => {
    const desk = new Desk()
    const [a, b] = [read(1), read(2)]
    expect(desk.writer.partiallySent).toBeUndefined()
    desk.push(a, b)
    desk.fill()
    expect(desk.writer.partiallySent).toBe(b)
  })
})

describe('a queued command', () => {
  test('that is abandoned is skipped', () => {
    const desk = new Desk()
    const [a, b, c] = [read(1, 1), read(1, 2), read(1, 3)]
    desk.push(a, b, c)
    desk.writer.abandon(b)
    expect([desk.writer.waiting, b.state]).toEqual([2, 'settled'])
    expect(requestsIn(desk.fill()).map((request) => request?.offset)).toEqual([1, 3])
    expect([desk.writer.waiting, desk.stats.chunksSent]).toEqual([0, 2])
  })

  test('that is abandoned does not delay those after it', () => {
    const desk = new Desk({ inFlightBytes: 1000 })
    const [a, large, b] = [read(1), read(5000), read(2)]
    desk.push(a, large, b)
    desk.fill()
    desk.writer.abandon(large)
    desk.fill()
    expect(states(b)).toEqual(['sent'])
  })

  test('can be removed with all others', () => {
    const desk = new Desk({ inFlightCommands: 1 })
    const [a, b, c, d] = [read(1), read(2), read(3), read(4)]
    desk.push(a, b, c, d)
    desk.fill()
    desk.writer.abandon(c)
    expect(desk.writer.drain()).toEqual([b, d])
    expect(desk.writer.waiting).toBe(0)
    desk.answer(a)
    expect(desk.fill()).toHaveLength(0)
  })

  test('allocates the memory of a long read when it is sent, and not that of a short one', () => {
    const KiB = 1024
    const desk = new Desk({ inFlightCommands: 3 })
    const own = repeated(1, 256 * KiB)
    const short = read(128 * KiB - 1)
    const [long, lent, inLine] = [read(128 * KiB), read(256 * KiB, 0, { destination: own }), read(128 * KiB)]
    desk.push(short, long, lent, inLine)
    desk.fill()
    const lengths = [short, long, lent, inLine].map(({ destination }) => destination?.length)
    expect(lengths).toEqual([undefined, 128 * KiB, 256 * KiB, undefined])
    expect(lent.destination).toBe(own)
  })

  test('for which no memory can be allocated fails, and the next one is sent', () => {
    const desk = new Desk()
    // More than any ArrayBuffer may have.
    const [vast, next] = [read(2 ** 53 - 1, 4096), read(1, 7)]
    desk.push(vast, next)
    expect(requestsIn(desk.fill()).map((request) => request?.offset)).toEqual([7])
    expect(desk.refused).toEqual([vast])
    expect(vast.error).toBeInstanceOf(NbdUsageError)
    expect(vast.error).toMatchObject({
      errno: 'ENOMEM',
      message: `pread of ${2 ** 53 - 1} bytes at 4096: cannot allocate ${2 ** 53 - 1} bytes: use a smaller read`,
      cause: expect.objectContaining({ name: 'RangeError' }),
    })
    expect([desk.inFlight.count, desk.writer.waiting, desk.stats.chunksSent]).toEqual([1, 0, 1])
  })

  test('whose data was detached fails, and the next one is sent', () => {
    const desk = new Desk()
    const data = repeated(1, 100)
    const [gone, next] = [write(data, 4096), read(1, 7)]
    desk.push(gone, next)
    detach(data)
    expect(requestsIn(desk.fill()).map((request) => request?.offset)).toEqual([7])
    expect(desk.refused).toEqual([gone])
    expect(gone.error).toBeInstanceOf(NbdUsageError)
    expect(gone.error?.message).toBe(
      'pwrite of 100 bytes at 4096: the data was detached or resized before it was sent',
    )
    expect([desk.inFlight.count, desk.writer.waiting, desk.stats.chunksSent]).toEqual([1, 0, 1])
  })

  test.each([50, 150])('whose data has %d bytes instead of 100 fails', (length) => {
    const desk = new Desk({ inFlightBytes: 100 })
    const { view, resize } = resizable(100)
    const [gone, next] = [write(view), read(100)]
    desk.push(gone, next)
    resize(length)
    desk.fill()
    expect(desk.refused).toEqual([gone])
    // It takes no room in the window.
    expect(states(next)).toEqual(['sent'])
  })
})

describe('the cost', () => {
  /** Counts the reads of the state of a command. */
  function counted(commands: readonly Command[]): { readonly reads: number } {
    const counter = { reads: 0 }
    for (const command of commands) {
      let { state } = command
      Object.defineProperty(command, 'state', {
        get: () => {
          counter.reads++
          return state
        },
        set: (next: Command['state']) => {
          state = next
        },
      })
    }
    return counter
  }

  test('of 100,000 queued commands is linear, with 64 in flight', () => {
    const desk = new Desk({ inFlightCommands: 64 })
    const commands = Array.from({ length: 100_000 }, () => read(512))
    const counter = counted(commands)
    for (const command of commands) desk.writer.push(command)
    for (let sent = 0; sent < commands.length; ) {
      const count = desk.fill().length / REQUEST_LENGTH
      desk.answer(...commands.slice(sent, sent + count))
      sent += count
    }
    // Once when it is sent, and once more for the one that must wait, each time the window is full.
    expect(counter.reads).toBeGreaterThanOrEqual(100_000)
    expect(counter.reads).toBeLessThanOrEqual(100_000 + Math.ceil(100_000 / 64) + 1)
    expect([desk.stats.chunksSent, desk.inFlight.count, desk.writer.waiting]).toEqual([100_000, 0, 0])
  })

  test('of commands abandoned while the server is stalled is linear, and they are released', () => {
    const desk = new Desk({ inFlightCommands: 1 })
    desk.push(read(1))
    desk.fill()
    const kept = [read(11, 1), read(12, 2)]
    desk.push(...kept)
    const commands = Array.from({ length: 10_000 }, () => read(512))
    const counter = counted(commands)
    for (const command of commands) {
      desk.writer.push(command)
      desk.writer.abandon(command)
    }
    expect(counter.reads).toBeLessThanOrEqual(2 * 10_000)
    // Only the few that were given up last may still be there.
    const stateReads = counter.reads
    expect(desk.writer.drain()).toEqual(kept)
    expect(counter.reads - stateReads).toBeLessThanOrEqual(70)
  })
})
