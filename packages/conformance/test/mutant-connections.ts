import type { Connection, Receiver } from '@nbdjs/core'
import { ForwardingConnection } from './forwarding-connection.js'
import { leakTimer } from './leaks.js'

/** A connection with one defect. */
export interface MutantConnection {
  /** The defect. */
  readonly defect: string
  /** The start of the name of the scenario that must catch it. */
  readonly scenario: string
  /** The message of the suite. */
  readonly message: RegExp
  readonly alter: (inner: Connection) => Connection
}

type Constructor = new (inner: Connection) => Connection

function mutant(
  defect: string,
  scenario: string,
  message: RegExp,
  connection: Constructor,
): MutantConnection {
  return { defect, scenario, message, alter: (inner) => new connection(inner) }
}

const never = new Promise<void>(() => {})
const soon = (body: () => void): unknown => setTimeout(body, 0)

/** Reads into its own memory and copies from there into the receiver's views. */
class CopyingConnection extends ForwardingConnection {
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

export const readMutants: readonly MutantConnection[] = [
  mutant(
    'reads before start()',
    'start: no byte is read before',
    /268435456 bytes were read before start\(\)/,
    class extends ForwardingConnection {
      constructor(inner: Connection) {
        super(inner)
        const memory = new Uint8Array(1024 * 1024)
        inner.start({
          buffer: () => memory,
          received: () => {},
          drained: () => {},
          ended: () => {},
          closed: () => {},
        })
      }
      override start(): void {}
    },
  ),
  mutant(
    'loses the first byte',
    'start: no byte is read before',
    /hangs: no progress for 200 ms, waiting for (\d+) bytes; receiver 1: (?!\1)\d+ bytes received/,
    class extends ForwardingConnection {
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
  mutant(
    'loses the bytes that do not fit into the view',
    'buffer: views of 1 byte',
    /hangs: no progress for 200 ms, waiting for 10000 bytes/,
    class extends CopyingConnection {
      override received(count: number): void {
        const view = this.receiver.buffer()
        const length = Math.min(view.length, count)
        view.set(this.memory.subarray(0, length))
        this.receiver.received(length)
      }
    },
  ),
  mutant(
    'writes after the end of the view',
    'buffer: views of any length',
    /bytes after the end of the view were overwritten/,
    class extends CopyingConnection {
      override received(count: number): void {
        const view = this.receiver.buffer()
        new Uint8Array(view.buffer).fill(0, view.byteOffset + view.length)
        view.set(this.memory.subarray(0, Math.min(view.length, count)))
        this.receiver.received(Math.min(view.length, count))
      }
    },
  ),
  mutant(
    'writes before the start of the view',
    'buffer: views of any length',
    /bytes before the start of the view were overwritten/,
    class extends ForwardingConnection {
      override buffer(): Uint8Array {
        const view = super.buffer()
        new Uint8Array(view.buffer).fill(0, 0, view.byteOffset)
        return view
      }
    },
  ),
  mutant(
    'reports more bytes than the view has',
    'buffer: views of any length',
    /received\(\): count: expected 1 to \d+, the length of the view, received \d+/,
    class extends CopyingConnection {
      override received(count: number): void {
        this.receiver.buffer()
        this.receiver.received(count + 1024 * 1024)
      }
    },
  ),
  mutant(
    'reports bytes without a view',
    'buffer: views of any length',
    /received\(\) was called without a view from buffer\(\)/,
    class extends CopyingConnection {
      override received(count: number): void {
        this.receiver.received(count)
      }
    },
  ),
  mutant(
    'never calls ended()',
    'ended: is called once',
    /hangs: no progress for 200 ms, waiting for ended\(\)/,
    class extends ForwardingConnection {
      override ended(): void {}
    },
  ),
  mutant(
    'calls ended() twice',
    'ended: is called once',
    /ended\(\) was called 2 times/,
    class extends ForwardingConnection {
      override ended(): void {
        super.ended()
        super.ended()
      }
    },
  ),
  mutant(
    'calls ended() before the last bytes',
    'ended: is called once',
    /received\(\) was called after ended\(\)/,
    class extends ForwardingConnection {
      override received(count: number): void {
        super.received(count)
        this.receiver.ended()
      }
      override ended(): void {}
    },
  ),
  mutant(
    'closes both directions after the end of one',
    'ended: is called once',
    /closed\(\) was called after the end of one direction only/,
    class extends ForwardingConnection {
      override ended(): void {
        super.ended()
        this.inner.close()
      }
    },
  ),
]

export const writeMutants: readonly MutantConnection[] = [
  mutant(
    'drops one byte in a million',
    'write: 16 MiB in both',
    /hangs: no progress for 200 ms, waiting for 16 MiB in both directions/,
    class extends ForwardingConnection {
      #length = 0
      override write(chunks: readonly Uint8Array[]): boolean {
        this.#length += chunks[0]?.length ?? 0
        if (this.#length < 1_000_000) return super.write(chunks)
        this.#length = 0
        return super.write(chunks.map((chunk) => chunk.subarray(1)))
      }
    },
  ),
  mutant(
    'changes one byte in a million',
    'write: 16 MiB in both',
    /at the peer: byte \d+ of 16777216: expected \d+, received \d+/,
    class extends ForwardingConnection {
      #length = 0
      override write(chunks: readonly Uint8Array[]): boolean {
        this.#length += chunks[0]?.length ?? 0
        if (this.#length < 1_000_000) return super.write(chunks)
        this.#length = 0
        return super.write(chunks.map((chunk) => chunk.map((byte, index) => (index === 0 ? byte ^ 1 : byte))))
      }
    },
  ),
  mutant(
    'reverses the chunks of a write',
    'write: many small',
    /at the peer: byte \d+ of 200000: expected \d+, received \d+/,
    class extends ForwardingConnection {
      override write(chunks: readonly Uint8Array[]): boolean {
        return super.write(chunks.toReversed())
      }
    },
  ),
  mutant(
    'sends a small write before a large one',
    'write: many small',
    /at the peer: byte \d+ of 200000: expected \d+, received \d+/,
    class extends ForwardingConnection {
      override write(chunks: readonly Uint8Array[]): boolean {
        if ((chunks[0]?.length ?? 0) < 14) return super.write(chunks)
        soon(() => super.write(chunks))
        return true
      }
    },
  ),
  mutant(
    'ignores the byteOffset of a chunk',
    'write: many small',
    /at the peer: byte \d+ of 200000: expected \d+, received \d+/,
    class extends ForwardingConnection {
      override write(chunks: readonly Uint8Array[]): boolean {
        return super.write(chunks.map((chunk) => new Uint8Array(chunk.buffer, 0, chunk.length)))
      }
    },
  ),
  mutant(
    'half-closes after an empty chunk',
    'write: an empty list',
    /the peer received 0 bytes before the end, expected 20/,
    class extends ForwardingConnection {
      override write(chunks: readonly Uint8Array[]): boolean {
        if (chunks.some((chunk) => chunk.length === 0)) this.inner.close()
        return super.write(chunks)
      }
    },
  ),
  mutant(
    'never returns false from write()',
    'write: returns false while',
    /write\(\) never returned false: 268435456 bytes were written while the peer did not read/,
    class extends ForwardingConnection {
      override write(chunks: readonly Uint8Array[]): boolean {
        super.write(chunks)
        return true
      }
    },
  ),
  mutant(
    'never calls drained()',
    'write: returns false while',
    /hangs: no progress for 200 ms, waiting for drained\(\) after false/,
    class extends ForwardingConnection {
      override drained(): void {}
    },
  ),
  mutant(
    'drops the chunk for which it returns false',
    'write: returns false while',
    /hangs: no progress for 200 ms, waiting for \d+ bytes at the peer; receiver 1: 0 bytes received, drained\(\) [12]x/,
    class extends ForwardingConnection {
      #isLending = false
      override write(chunks: readonly Uint8Array[]): boolean {
        if (!this.#isLending) this.#isLending = !super.write(chunks)
        return !this.#isLending
      }
      override drained(): void {
        this.#isLending = false
        super.drained()
      }
    },
  ),
  mutant(
    'returns true from write() before the chunks are flushed',
    "write: the memory is the caller's again",
    /overwritten by the caller after true or drained\(\): byte 0 of 8388608: expected \d+, received 238/,
    class extends ForwardingConnection {
      override write(chunks: readonly Uint8Array[]): boolean {
        super.write(chunks)
        return true
      }
    },
  ),
  mutant(
    'calls drained() before the chunks are flushed',
    "write: the memory is the caller's again",
    /overwritten by the caller after true or drained\(\): byte 0 of 8388608: expected \d+, received 238/,
    class extends ForwardingConnection {
      override write(chunks: readonly Uint8Array[]): boolean {
        const canContinue = super.write(chunks)
        if (!canContinue) soon(() => this.receiver.drained())
        return canContinue
      }
      override drained(): void {}
    },
  ),
  mutant(
    'calls drained() only after large writes',
    "write: the memory is the caller's again",
    /hangs: no progress for 200 ms, waiting for drained\(\) after false/,
    class extends ForwardingConnection {
      #length = 0
      override write(chunks: readonly Uint8Array[]): boolean {
        this.#length = chunks[0]?.length ?? 0
        return super.write(chunks)
      }
      override drained(): void {
        if (this.#length > 16_384) super.drained()
      }
    },
  ),
  mutant(
    'sends writes after close()',
    'write: ignored after close()',
    /at the peer: expected 100 bytes, received 200/,
    class extends ForwardingConnection {
      #closing: Promise<void> | undefined
      override close(): Promise<void> {
        this.#closing ??= new Promise((resolve) => soon(() => resolve(super.close())))
        return this.#closing
      }
    },
  ),
  mutant(
    'throws from write() after destroy()',
    'write: ignored after destroy()',
    /cannot write/,
    class extends ForwardingConnection {
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
  mutant(
    'sends writes after destroy()',
    'write: ignored after destroy()',
    /the number of bytes at the peer after destroy\(\): expected 0, received 100/,
    class extends ForwardingConnection {
      override destroy(reason?: Error): void {
        this.closed(reason)
        soon(() => void super.close())
      }
      override drained(): void {
        this.receiver?.drained()
      }
      override ended(): void {}
      override closed(error?: Error): void {
        if (this.receiver !== undefined) super.closed(error)
        this.receiver = undefined as unknown as Receiver
      }
    },
  ),
]

/** Its close() has no effect and never settles if called inside that call. */
function neverClosesInside(name: 'received' | 'drained' | 'ended' | 'closed'): MutantConnection {
  return mutant(
    `never resolves close() inside ${name}()`,
    `close: safe inside ${name}()`,
    /hangs: no progress for 200 ms, waiting for (closed\(\)|close\(\) inside \w+\(\) to resolve)/,
    class extends ForwardingConnection {
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

export const closeMutants: readonly MutantConnection[] = [
  mutant(
    'resolves close() at once',
    'close: half-closes',
    /close\(\) resolved before the peer closed its direction/,
    class extends ForwardingConnection {
      override async close(): Promise<void> {
        void super.close()
      }
    },
  ),
  mutant(
    'drops the bytes that arrive after close()',
    'close: half-closes',
    /received after close\(\): expected 2097152 bytes, received 0/,
    class extends ForwardingConnection {
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
  mutant(
    'closes both directions soon after close()',
    'close: half-closes',
    /closed\(\) was called before the peer closed its direction|close\(\) resolved before the peer closed/,
    class extends ForwardingConnection {
      override close(): Promise<void> {
        const closing = super.close()
        soon(() => super.destroy())
        return closing
      }
    },
  ),
  mutant(
    'reports an error after an orderly close',
    'close: after ended()',
    /the error of closed\(\): expected undefined, received Error "unfounded"/,
    class extends ForwardingConnection {
      override closed(): void {
        super.closed(new Error('unfounded'))
      }
    },
  ),
  mutant(
    'drops unflushed bytes in close()',
    'close: flushes',
    /ECONNRESET|destroyed the connection/,
    class extends ForwardingConnection {
      override close(): Promise<void> {
        super.destroy()
        return super.close()
      }
    },
  ),
  mutant(
    'rejects the second close()',
    'close: a second call',
    /closed already/,
    class extends ForwardingConnection {
      #isClosed = false
      override close(): Promise<void> {
        if (this.#isClosed) return Promise.reject(new Error('closed already'))
        this.#isClosed = true
        return super.close()
      }
    },
  ),
  mutant(
    'waits for the peer after destroy()',
    'close: resolves if destroy() follows',
    /hangs: no progress for 200 ms, waiting for close\(\) to resolve after destroy\(\)/,
    class extends ForwardingConnection {
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
  mutant(
    'never resolves close() before start()',
    'close: resolves before start()',
    /hangs: no progress for 200 ms, waiting for close\(\) before start\(\) to resolve/,
    class extends ForwardingConnection {
      override close(): Promise<void> {
        return this.receiver === undefined ? never : super.close()
      }
    },
  ),
  ...(['received', 'drained', 'ended', 'closed'] as const).map(neverClosesInside),
]

/** Its destroy() calls closed() at once, inside another call. */
function callsClosedInside(name: 'received' | 'drained' | 'ended'): MutantConnection {
  return mutant(
    `calls closed() inside ${name}() if that destroys`,
    `destroy: safe inside ${name}()`,
    new RegExp(`closed\\(\\) was called inside ${name}\\(\\)`),
    class extends ForwardingConnection {
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

export const destroyMutants: readonly MutantConnection[] = [
  mutant(
    'drops the reason of destroy()',
    'destroy: closed() gets the same reason',
    /the error of closed\(\): expected Error "destroyed by the suite", received undefined/,
    class extends ForwardingConnection {
      override destroy(): void {
        super.destroy()
      }
    },
  ),
  mutant(
    'invents a reason for closed()',
    'destroy: without a reason',
    /the error of closed\(\): expected undefined, received Error "aborted"/,
    class extends ForwardingConnection {
      override destroy(reason: Error = new Error('aborted')): void {
        super.destroy(reason)
      }
    },
  ),
  mutant(
    'writes into lent memory after destroy()',
    'destroy: only closed() follows',
    /byte \d+ of the lent memory was written after destroy\(\)/,
    class extends ForwardingConnection {
      #lent: Uint8Array | undefined
      override received(count: number): void {
        super.received(count)
        // Node too asks for the next view early.
        this.#lent = this.receiver.buffer()
      }
      override buffer(): Uint8Array {
        this.#lent ??= this.receiver.buffer()
        return this.#lent
      }
      override destroy(reason?: Error): void {
        super.destroy(reason)
        soon(() => this.#lent?.fill(0))
      }
    },
  ),
  mutant(
    'calls its receiver after destroy()',
    'destroy: only closed() follows',
    /buffer\(\) was called after destroy\(\); .*received\(\) was called after destroy\(\)/,
    class extends ForwardingConnection {
      override destroy(reason?: Error): void {
        if (this.receiver === undefined) super.destroy(reason)
        else soon(() => soon(() => super.destroy(reason)))
      }
    },
  ),
  mutant(
    'flushes all bytes before it is destroyed',
    'destroy: drops unflushed bytes',
    /hangs: no progress for 200 ms, waiting for closed\(\) while the peer does not read/,
    class extends ForwardingConnection {
      override destroy(): void {
        void super.close()
      }
    },
  ),
  mutant(
    'never resolves close() after destroy()',
    'destroy: a later close() resolves',
    /hangs: no progress for 200 ms, waiting for close\(\) to resolve/,
    class extends ForwardingConnection {
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
  mutant(
    'leaves a timer',
    'destroy: leaves nothing open',
    /left open: \d+ Timeout \(\d+ before\)/,
    class extends ForwardingConnection {
      readonly timer = leakTimer()
    },
  ),
  ...(['received', 'drained', 'ended'] as const).map(callsClosedInside),
  mutant(
    'calls closed() again if destroyed inside closed()',
    'destroy: safe inside closed()',
    /the calls after destroy\(\): expected "", received "closed"|closed\(\) was called (inside|after) closed\(\)/,
    class extends ForwardingConnection {
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

export const resetMutants: readonly MutantConnection[] = [
  mutant(
    'reports a reset as an orderly end',
    'closed: gets a NbdTransportError',
    /the error of closed\(\) after a reset: expected a NbdTransportError, received undefined/,
    class extends ForwardingConnection {
      override closed(): void {
        super.closed()
      }
    },
  ),
  mutant(
    'reports the native error of a reset',
    'closed: gets a NbdTransportError',
    /the error of closed\(\) after a reset: expected a NbdTransportError, received Error "read ECONNRESET"/,
    class extends ForwardingConnection {
      override closed(error?: Error): void {
        super.closed(error && new Error('read ECONNRESET'))
      }
    },
  ),
  mutant(
    'never resolves close() after a reset',
    'closed: is called if the peer resets during close()',
    /hangs: no progress for 200 ms, waiting for close\(\) to resolve/,
    class extends ForwardingConnection {
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
  mutant(
    'never reports a reset',
    'closed: is called if the peer resets while a write',
    /hangs: no progress for 200 ms, waiting for closed\(\) after the reset/,
    class extends ForwardingConnection {
      override closed(error?: Error): void {
        if (error === undefined) super.closed()
      }
    },
  ),
  mutant(
    'calls closed() twice',
    'closed: is the last call',
    /the number of calls of closed\(\): expected 1, received 2|closed\(\) was called after closed\(\)/,
    class extends ForwardingConnection {
      override closed(error?: Error): void {
        super.closed(error)
        super.closed(error)
      }
    },
  ),
  mutant(
    'calls ended() after closed()',
    'closed: is the last call',
    /the last call: expected "closed", received "ended"|ended\(\) was called after closed\(\)/,
    class extends ForwardingConnection {
      override closed(error?: Error): void {
        super.closed(error)
        super.ended()
      }
    },
  ),
  mutant(
    'does not report a reset before start()',
    'closed: is called after start()',
    /hangs: no progress for 200 ms, waiting for closed\(\) after start\(\)/,
    class extends ForwardingConnection {
      #isStarted = false
      override start(receiver: Receiver): void {
        super.start(receiver)
        // closed() is suppressed until then.
        soon(() => {
          this.#isStarted = true
        })
      }
      override closed(error?: Error): void {
        if (this.#isStarted) super.closed(error)
      }
    },
  ),
]

export const mutantConnections: readonly MutantConnection[] = [
  ...readMutants,
  ...writeMutants,
  ...closeMutants,
  ...destroyMutants,
  ...resetMutants,
]
