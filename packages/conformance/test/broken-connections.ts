import type { Connection, Receiver } from '@nbdjs/core'
import { AlteredConnection } from './altered-connection.js'
import { leakTimer } from './leaks.js'

export interface BrokenConnection {
  /** What it does wrong. */
  readonly does: string
  /** The scenario that must catch it, by the start of its name. */
  readonly scenario: string
  /** What the suite must say. */
  readonly message: RegExp
  readonly alter: (inner: Connection) => Connection
}

type Constructor = new (inner: Connection) => Connection

function broken(does: string, scenario: string, message: RegExp, connection: Constructor): BrokenConnection {
  return { does, scenario, message, alter: (inner) => new connection(inner) }
}

const never = new Promise<void>(() => {})
const later = (body: () => void): unknown => setTimeout(body, 0)

/** Reads by itself, into memory of its own, and copies it to the receiver. */
class CopyingConnection extends AlteredConnection {
  readonly memory: Uint8Array = new Uint8Array(1024 * 1024)

  override buffer(): Uint8Array {
    return this.memory
  }

  override received(count: number): void {
    for (let done = 0; done < count; ) {
      const view = this.receiver.buffer()
      const length = Math.min(view.length, count - done)
      view.set(this.memory.subarray(done, done + length))
      done += length
      this.receiver.received(length)
    }
  }
}

export const brokenReading: readonly BrokenConnection[] = [
  broken(
    'reads before start() and keeps it all',
    'start: no byte is read before',
    /268435456 bytes were read before start\(\)/,
    class extends AlteredConnection {
      readonly kept: Uint8Array[] = []
      constructor(inner: Connection) {
        super(inner)
        const memory = new Uint8Array(1024 * 1024)
        inner.start({
          buffer: () => memory,
          received: (count) => void this.kept.push(memory.slice(0, count)),
          drained: () => {},
          ended: () => {},
          closed: () => {},
        })
      }
      override start(): void {}
    },
  ),
  broken(
    'loses the first byte',
    'start: no byte is read before',
    /hangs: waited 1500 ms for (\d+) bytes; receiver 1: received (?!\1)\d+ bytes/,
    class extends AlteredConnection {
      #lent: Uint8Array = new Uint8Array(0)
      #isFirst = true
      override buffer(): Uint8Array {
        this.#lent = this.receiver.buffer()
        return this.#lent
      }
      override received(count: number): void {
        this.#lent.copyWithin(0, this.#isFirst ? 1 : 0, count)
        this.receiver.received(this.#isFirst ? count - 1 : count)
        this.#isFirst = false
      }
    },
  ),
  broken(
    'loses what does not fit into the view',
    'buffer: views of 1 byte',
    /hangs: waited 500 ms for 10000 bytes/,
    class extends CopyingConnection {
      override received(count: number): void {
        const view = this.receiver.buffer()
        const length = Math.min(view.length, count)
        view.set(this.memory.subarray(0, length))
        this.receiver.received(length)
      }
    },
  ),
  broken(
    'writes behind the view',
    'buffer: views of any length',
    /bytes were written behind the end of the view/,
    class extends CopyingConnection {
      override received(count: number): void {
        const view = this.receiver.buffer()
        new Uint8Array(view.buffer).fill(0, view.byteOffset + view.length)
        view.set(this.memory.subarray(0, Math.min(view.length, count)))
        this.receiver.received(Math.min(view.length, count))
      }
    },
  ),
  broken(
    'writes before the view',
    'buffer: views of any length',
    /bytes were written before the start of the view/,
    class extends AlteredConnection {
      override buffer(): Uint8Array {
        const view = super.buffer()
        new Uint8Array(view.buffer).fill(0, 0, view.byteOffset)
        return view
      }
    },
  ),
  broken(
    'tells of more bytes than the view has',
    'buffer: views of any length',
    /received\(\d+\) into a view of \d+ bytes/,
    class extends CopyingConnection {
      override received(count: number): void {
        this.receiver.buffer()
        this.receiver.received(count + 1024 * 1024)
      }
    },
  ),
  broken(
    'tells of bytes without a view',
    'buffer: views of any length',
    /received\(\) came without a view from buffer\(\)/,
    class extends CopyingConnection {
      override received(count: number): void {
        this.receiver.received(count)
      }
    },
  ),
  broken(
    'never tells of the end',
    'ended: comes once',
    /hangs: waited 500 ms for ended\(\)/,
    class extends AlteredConnection {
      override ended(): void {}
    },
  ),
  broken(
    'tells of the end twice',
    'ended: comes once',
    /ended\(\) was called 2 times/,
    class extends AlteredConnection {
      override ended(): void {
        super.ended()
        super.ended()
      }
    },
  ),
  broken(
    'tells of the end before the last bytes',
    'ended: comes once',
    /received\(\) came after ended\(\)/,
    class extends AlteredConnection {
      override received(count: number): void {
        super.received(count)
        this.receiver.ended()
      }
      override ended(): void {}
    },
  ),
  broken(
    'closes both directions at the end of one',
    'ended: comes once',
    /closed\(\) came though only one direction had ended/,
    class extends AlteredConnection {
      override ended(): void {
        super.ended()
        this.inner.close()
      }
    },
  ),
]

export const brokenWriting: readonly BrokenConnection[] = [
  broken(
    'drops a byte in a million',
    'write: 16 MiB both ways',
    /hangs: waited 3000 ms for 16 MiB in both directions/,
    class extends AlteredConnection {
      #length = 0
      override write(chunks: readonly Uint8Array[]): boolean {
        this.#length += chunks[0]?.length ?? 0
        if (this.#length < 1_000_000) return super.write(chunks)
        this.#length = 0
        return super.write(chunks.map((chunk) => chunk.subarray(1)))
      }
    },
  ),
  broken(
    'changes a byte in a million',
    'write: 16 MiB both ways',
    /at the peer: byte \d+ of 16777216 is \d+, expected \d+/,
    class extends AlteredConnection {
      #length = 0
      override write(chunks: readonly Uint8Array[]): boolean {
        this.#length += chunks[0]?.length ?? 0
        if (this.#length < 1_000_000) return super.write(chunks)
        this.#length = 0
        return super.write(chunks.map((chunk) => chunk.map((byte, index) => (index === 0 ? byte ^ 1 : byte))))
      }
    },
  ),
  broken(
    'sends the chunks of a write in another order',
    'write: many small ones',
    /at the peer: byte \d+ of 200000 is \d+, expected \d+/,
    class extends AlteredConnection {
      override write(chunks: readonly Uint8Array[]): boolean {
        return super.write(chunks.toReversed())
      }
    },
  ),
  broken(
    'sends a small write before a large one',
    'write: many small ones',
    /at the peer: byte \d+ of 200000 is \d+, expected \d+/,
    class extends AlteredConnection {
      override write(chunks: readonly Uint8Array[]): boolean {
        if ((chunks[0]?.length ?? 0) < 14) return super.write(chunks)
        later(() => super.write(chunks))
        return true
      }
    },
  ),
  broken(
    'sends the memory around a chunk',
    'write: many small ones',
    /at the peer: byte \d+ of 200000 is \d+, expected \d+/,
    class extends AlteredConnection {
      override write(chunks: readonly Uint8Array[]): boolean {
        return super.write(chunks.map((chunk) => new Uint8Array(chunk.buffer, 0, chunk.length)))
      }
    },
  ),
  broken(
    'takes an empty chunk for the end',
    'write: no chunk',
    /the peer saw the end after 0 bytes, 20 were written/,
    class extends AlteredConnection {
      override write(chunks: readonly Uint8Array[]): boolean {
        if (chunks.some((chunk) => chunk.length === 0)) this.inner.close()
        return super.write(chunks)
      }
    },
  ),
  broken(
    'never asks to wait',
    'write: returns false when',
    /write\(\) never returned false: 268435456 bytes were written and nobody read them/,
    class extends AlteredConnection {
      override write(chunks: readonly Uint8Array[]): boolean {
        super.write(chunks)
        return true
      }
    },
  ),
  broken(
    'asks to wait and never calls drained()',
    'write: returns false when',
    /hangs: waited 1500 ms for drained\(\) after false/,
    class extends AlteredConnection {
      override drained(): void {}
    },
  ),
  broken(
    'drops the chunk for which it returns false',
    'write: returns false when',
    /hangs: waited 1500 ms for \d+ bytes at the peer; receiver 1: received 0 bytes, drained [12]/,
    class extends AlteredConnection {
      #length = 0
      override write(chunks: readonly Uint8Array[]): boolean {
        this.#length += chunks[0]?.length ?? 0
        if (this.#length < 1_000_000) return super.write(chunks)
        later(() => this.receiver.drained())
        return false
      }
    },
  ),
  broken(
    'still writes after close()',
    'write: ignored after close()',
    /at the peer: 200 bytes arrived, expected 100/,
    class extends AlteredConnection {
      #closing: Promise<void> | undefined
      override close(): Promise<void> {
        this.#closing ??= new Promise((resolve) => later(() => resolve(super.close())))
        return this.#closing
      }
    },
  ),
  broken(
    'throws when written to after destroy()',
    'write: ignored after destroy()',
    /cannot write/,
    class extends AlteredConnection {
      #isDestroyed = false
      override write(chunks: readonly Uint8Array[]): boolean {
        if (this.#isDestroyed) throw new Error('cannot write')
        return super.write(chunks)
      }
      override destroy(reason?: Error): void {
        this.#isDestroyed = true
        super.destroy(reason)
      }
    },
  ),
  broken(
    'still writes after destroy()',
    'write: ignored after destroy()',
    /bytes at the peer after destroy\(\): expected 0, got 100/,
    class extends AlteredConnection {
      override destroy(reason?: Error): void {
        this.closed(reason)
        later(() => void super.close())
      }
      override ended(): void {}
      override closed(error?: Error): void {
        if (this.receiver !== undefined) super.closed(error)
        this.receiver = undefined as unknown as Receiver
      }
    },
  ),
]

/** Does nothing, and the promise never settles, when it is closed inside that call. */
function stuckInside(name: 'received' | 'drained' | 'ended' | 'closed'): BrokenConnection {
  return broken(
    `close() never resolves when called inside ${name}()`,
    `close: safe inside ${name}()`,
    /hangs: waited 1500 ms for (closed\(\)|close\(\) inside \w+\(\) to resolve)/,
    class extends AlteredConnection {
      #current: string | undefined
      override close(): Promise<void> {
        return this.#current === name ? never : super.close()
      }
      override received(count: number): void {
        this.#during('received', () => super.received(count))
      }
      override drained(): void {
        this.#during('drained', () => super.drained())
      }
      override ended(): void {
        this.#during('ended', () => super.ended())
      }
      override closed(error?: Error): void {
        this.#during('closed', () => super.closed(error))
      }
      #during(call: string, body: () => void): void {
        this.#current = call
        body()
        this.#current = undefined
      }
    },
  )
}

export const brokenClosing: readonly BrokenConnection[] = [
  broken(
    'close() resolves at once',
    'close: half-closes',
    /close\(\) resolved before the peer had closed its direction/,
    class extends AlteredConnection {
      override async close(): Promise<void> {
        void super.close()
      }
    },
  ),
  broken(
    'drops the last bytes of the peer',
    'close: half-closes',
    /received after close\(\): 0 bytes arrived, expected 2097152/,
    class extends AlteredConnection {
      #isClosing = false
      override close(): Promise<void> {
        this.#isClosing = true
        return super.close()
      }
      override received(count: number): void {
        if (!this.#isClosing) super.received(count)
      }
    },
  ),
  broken(
    'closes as soon as it half-closed',
    'close: half-closes',
    /closed\(\) came before the peer had closed its direction|close\(\) resolved before the peer had/,
    class extends AlteredConnection {
      override close(): Promise<void> {
        const closing = super.close()
        later(() => super.destroy())
        return closing
      }
    },
  ),
  broken(
    'tells of an error though it was closed in order',
    'close: after ended()',
    /the error of closed\(\): expected undefined, got Error "why not"/,
    class extends AlteredConnection {
      override closed(): void {
        super.closed(new Error('why not'))
      }
    },
  ),
  broken(
    'close() drops what was not flushed',
    'close: flushes',
    /ECONNRESET|destroyed the connection/,
    class extends AlteredConnection {
      override close(): Promise<void> {
        super.destroy()
        return super.close()
      }
    },
  ),
  broken(
    'the second close() rejects',
    'close: twice',
    /closed already/,
    class extends AlteredConnection {
      #isClosed = false
      override close(): Promise<void> {
        if (this.#isClosed) return Promise.reject(new Error('closed already'))
        this.#isClosed = true
        return super.close()
      }
    },
  ),
  broken(
    'close() waits for the peer though destroyed',
    'close: resolves when destroy() follows',
    /hangs: waited 500 ms for close\(\) to resolve after destroy\(\)/,
    class extends AlteredConnection {
      #isEnded = false
      override async close(): Promise<void> {
        await super.close()
        if (!this.#isEnded) await never
      }
      override ended(): void {
        this.#isEnded = true
        super.ended()
      }
    },
  ),
  broken(
    'close() before start() waits for ever',
    'close: resolves before start()',
    /hangs: waited 500 ms for close\(\) before start\(\) to resolve/,
    class extends AlteredConnection {
      override close(): Promise<void> {
        return this.receiver === undefined ? never : super.close()
      }
    },
  ),
  ...(['received', 'drained', 'ended', 'closed'] as const).map(stuckInside),
]

/** Calls closed() inside destroy() when that is called inside another call. */
function closedInside(name: 'received' | 'drained' | 'ended'): BrokenConnection {
  return broken(
    `closed() comes inside ${name}() when that destroys`,
    `destroy: safe inside ${name}()`,
    new RegExp(`closed\\(\\) was called inside ${name}\\(\\)`),
    class extends AlteredConnection {
      #isClosed = false
      override destroy(reason?: Error): void {
        super.destroy(reason)
        this.closed(reason)
      }
      override closed(error?: Error): void {
        if (this.#isClosed || this.receiver === undefined) return
        this.#isClosed = true
        super.closed(error)
      }
    },
  )
}

export const brokenDestroying: readonly BrokenConnection[] = [
  broken(
    'forgets the reason',
    'destroy: closed() gets the very reason',
    /the error of closed\(\): expected Error "destroyed by the suite", got undefined/,
    class extends AlteredConnection {
      override destroy(): void {
        super.destroy()
      }
    },
  ),
  broken(
    'makes up a reason',
    'destroy: without a reason',
    /the error of closed\(\): expected undefined, got Error "aborted"/,
    class extends AlteredConnection {
      override destroy(reason: Error = new Error('aborted')): void {
        super.destroy(reason)
      }
    },
  ),
  broken(
    'writes into lent memory after destroy()',
    'destroy: after it, no call',
    /byte \d+ of the memory was written to after destroy\(\)/,
    class extends AlteredConnection {
      #lent: Uint8Array | undefined
      override received(count: number): void {
        super.received(count)
        // Asks early, as Node does.
        this.#lent = this.receiver.buffer()
      }
      override buffer(): Uint8Array {
        this.#lent ??= this.receiver.buffer()
        return this.#lent
      }
      override destroy(reason?: Error): void {
        super.destroy(reason)
        later(() => this.#lent?.fill(0))
      }
    },
  ),
  broken(
    'goes on after destroy()',
    'destroy: after it, no call',
    /buffer\(\) was called after destroy\(\); .*received\(\) was called after destroy\(\)/,
    class extends AlteredConnection {
      override destroy(reason?: Error): void {
        if (this.receiver === undefined) super.destroy(reason)
        else setTimeout(() => super.destroy(reason), 20)
      }
    },
  ),
  broken(
    'destroy() waits until all is flushed',
    'destroy: drops what was not flushed',
    /hangs: waited 1500 ms for closed\(\) while the peer does not read/,
    class extends AlteredConnection {
      override destroy(): void {
        void super.close()
      }
    },
  ),
  broken(
    'close() after destroy() never resolves',
    'destroy: resolves close()',
    /hangs: waited 500 ms for close\(\) to resolve/,
    class extends AlteredConnection {
      #isDestroyed = false
      override close(): Promise<void> {
        return this.#isDestroyed ? never : super.close()
      }
      override destroy(reason?: Error): void {
        this.#isDestroyed = true
        super.destroy(reason)
      }
    },
  ),
  broken(
    'leaves a timer',
    'destroy: leaves nothing open',
    /left open: \d+ Timeout \(\d+ before\)/,
    class extends AlteredConnection {
      readonly timer = leakTimer()
    },
  ),
  ...(['received', 'drained', 'ended'] as const).map(closedInside),
  broken(
    'destroy() inside closed() closes again',
    'destroy: safe inside closed()',
    /calls after destroy\(\): expected "", got "closed"|closed\(\) was called (inside|after) closed\(\)/,
    class extends AlteredConnection {
      #isClosed = false
      #isAgain = false
      override closed(error?: Error): void {
        this.#isClosed = true
        super.closed(error)
      }
      override destroy(reason?: Error): void {
        if (!this.#isClosed) super.destroy(reason)
        else if (!this.#isAgain) {
          this.#isAgain = true
          this.receiver.closed(reason)
        }
      }
    },
  ),
]

export const brokenBreaking: readonly BrokenConnection[] = [
  broken(
    'takes a reset for the end',
    'closed: gets a NbdTransportError',
    /closed\(\) got undefined after a reset, expected a NbdTransportError/,
    class extends AlteredConnection {
      override closed(): void {
        super.closed()
      }
    },
  ),
  broken(
    'hands on the native error',
    'closed: gets a NbdTransportError',
    /closed\(\) got Error "read ECONNRESET" after a reset, expected a NbdTransportError/,
    class extends AlteredConnection {
      override closed(error?: Error): void {
        super.closed(error && new Error('read ECONNRESET'))
      }
    },
  ),
  broken(
    'close() never resolves after a reset',
    'closed: comes when the peer resets while close()',
    /hangs: waited 500 ms for close\(\) to resolve/,
    class extends AlteredConnection {
      #isBroken = false
      override async close(): Promise<void> {
        await super.close()
        if (this.#isBroken) await never
      }
      override closed(error?: Error): void {
        this.#isBroken = error !== undefined
        super.closed(error)
      }
    },
  ),
  broken(
    'never tells of a reset',
    'closed: comes when the peer resets while a write',
    /hangs: waited 1500 ms for closed\(\) after the reset/,
    class extends AlteredConnection {
      override closed(error?: Error): void {
        if (error === undefined) super.closed()
      }
    },
  ),
  broken(
    'calls closed() twice',
    'closed: comes once',
    /calls of closed\(\): expected 1, got 2|closed\(\) was called after closed\(\)/,
    class extends AlteredConnection {
      override closed(error?: Error): void {
        super.closed(error)
        super.closed(error)
      }
    },
  ),
  broken(
    'calls ended() after closed()',
    'closed: comes once',
    /the last call: expected "closed", got "ended"|ended\(\) was called after closed\(\)/,
    class extends AlteredConnection {
      override closed(error?: Error): void {
        super.closed(error)
        super.ended()
      }
    },
  ),
  broken(
    'does not tell of a reset before start()',
    'closed: comes after start()',
    /hangs: waited 500 ms for closed\(\) after start\(\)/,
    class extends AlteredConnection {
      #isStarted = false
      override start(receiver: Receiver): void {
        super.start(receiver)
        // By then it was told.
        later(() => {
          this.#isStarted = true
        })
      }
      override closed(error?: Error): void {
        if (this.#isStarted) super.closed(error)
      }
    },
  ),
]

export const brokenConnections: readonly BrokenConnection[] = [
  ...brokenReading,
  ...brokenWriting,
  ...brokenClosing,
  ...brokenDestroying,
  ...brokenBreaking,
]
