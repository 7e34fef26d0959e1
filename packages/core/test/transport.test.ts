import { describe, expect, test } from '@jest/globals'
import {
  type Connection,
  type DialOptions,
  deliver,
  type Receiver,
  type Transport,
  type UriAddress,
} from '@nbdjs/core'
import { expectTypeOf } from 'expect-type'
import fc from 'fast-check'
import { octets, repeated } from './bytes.js'

type Call = readonly ['buffer', Uint8Array] | readonly ['received', number]

/** Lends a new view of each length in turn, the last one again and again, and writes down what happens. */
class Recorder implements Receiver {
  readonly calls: Call[] = []
  readonly bytes: number[] = []
  readonly #lengths: number[]
  #lent: Uint8Array = new Uint8Array(0)
  onReceived: () => void = () => {}

  constructor(...lengths: number[]) {
    this.#lengths = lengths
  }

  buffer(): Uint8Array {
    const length = this.#lengths.length > 1 ? this.#lengths.shift() : this.#lengths[0]
    this.#lent = repeated(0xee, length ?? 0)
    this.calls.push(['buffer', this.#lent])
    return this.#lent
  }

  received(count: number): void {
    this.calls.push(['received', count])
    this.bytes.push(...this.#lent.subarray(0, count))
    this.onReceived()
  }

  drained(): never {
    throw new Error('deliver() has no business with drained()')
  }

  ended(): never {
    throw new Error('deliver() has no business with ended()')
  }

  closed(): never {
    throw new Error('deliver() has no business with closed()')
  }

  get counts(): readonly number[] {
    return this.calls.flatMap((call) => (call[0] === 'received' ? [call[1]] : []))
  }
}

const open = (): boolean => true

describe('deliver', () => {
  test('copies a chunk into one view and leaves the rest of the view unchanged', () => {
    const receiver = new Recorder(8)
    deliver(receiver, octets('01 02 03'), open)
    expect(receiver.calls).toEqual([
      ['buffer', octets('01 02 03 ee ee ee ee ee')],
      ['received', 3],
    ])
  })

  test('fills a view exactly and requests no other', () => {
    const receiver = new Recorder(3)
    deliver(receiver, octets('01 02 03'), open)
    expect(receiver.calls).toEqual([
      ['buffer', octets('01 02 03')],
      ['received', 3],
    ])
  })

  test('copies through views of any length, one buffer() call each', () => {
    const receiver = new Recorder(1, 4, 2, 100)
    deliver(receiver, octets('00 01 02 03 04 05 06 07 08 09'), open)
    expect(receiver.calls.map(([call]) => call)).toEqual([
      'buffer',
      'received',
      'buffer',
      'received',
      'buffer',
      'received',
      'buffer',
      'received',
    ])
    expect(receiver.counts).toEqual([1, 4, 2, 3])
    expect(receiver.bytes).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  })

  test('makes no call for an empty chunk', () => {
    const receiver = new Recorder(8)
    deliver(receiver, new Uint8Array(0), open)
    expect(receiver.calls).toEqual([])
  })

  test('makes no call once closed', () => {
    const receiver = new Recorder(8)
    expect(deliver(receiver, octets('01'), () => false)).toBe(0)
    expect(receiver.calls).toEqual([])
  })

  test('stops if the receiver destroys the connection, without another buffer() call', () => {
    const receiver = new Recorder(2)
    let pieces = 0
    receiver.onReceived = () => {
      pieces++
    }
    expect(deliver(receiver, octets('01 02 03 04 05 06'), () => pieces < 2)).toBe(4)
    expect(receiver.calls.map(([call]) => call)).toEqual(['buffer', 'received', 'buffer', 'received'])
    expect(receiver.bytes).toEqual([1, 2, 3, 4])
  })

  test('copies: does not keep or change the chunk, and reads no byte outside of it', () => {
    const memory = octets('ff ff 01 02 03 ff ff')
    const chunk = memory.subarray(2, 5)
    const receiver = new Recorder(8)
    deliver(receiver, chunk, open)
    chunk.fill(0)
    expect(receiver.calls[0]).toEqual(['buffer', octets('01 02 03 ee ee ee ee ee')])
    expect(memory).toEqual(octets('ff ff 00 00 00 ff ff'))
  })

  test('throws if the receiver lends an empty view', () => {
    const receiver = new Recorder(2, 0)
    receiver.onReceived = () => {
      if (receiver.calls.length > 8) throw new Error('it spins')
    }
    expect(() => deliver(receiver, octets('01 02 03 04 05'), open)).toThrow(
      new RangeError(
        'deliver: 3 bytes to deliver, but receiver.buffer() lent a view of 0 bytes, expected at least 1',
      ),
    )
    expect(receiver.counts).toEqual([2])
  })

  test('passes on an error of the receiver', () => {
    const receiver = new Recorder(8)
    receiver.onReceived = () => {
      throw new Error('fault of the receiver')
    }
    expect(() => deliver(receiver, octets('01'), open)).toThrow('fault of the receiver')
  })

  test('delivers every byte once and in order, whatever the sizes', () => {
    const lengths = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 20 })
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), lengths, (chunk, views) => {
        const receiver = new Recorder(...views)
        expect(deliver(receiver, chunk, open)).toBe(chunk.length)
        expect(receiver.bytes).toEqual([...chunk])
        expect(Math.min(1, ...receiver.counts)).toBe(1)
      }),
    )
  })
})

test('the types of the contract: a change here breaks every transport', () => {
  expectTypeOf<Transport>().toEqualTypeOf<{
    readonly address: string
    readonly hostName?: string
    readonly uri?: UriAddress | undefined
    dial(options: DialOptions): Promise<Connection>
  }>()
  expectTypeOf<DialOptions>().toEqualTypeOf<{
    readonly signal: AbortSignal
    readonly onStep?: ((step: string) => void) | undefined
  }>()
  expectTypeOf<Connection>().toEqualTypeOf<{
    start(receiver: Receiver): void
    write(chunks: readonly Uint8Array[]): boolean
    close(): Promise<void>
    destroy(reason?: Error): void
  }>()
  expectTypeOf<Receiver>().toEqualTypeOf<{
    buffer(): Uint8Array
    received(count: number): void
    drained(): void
    ended(): void
    closed(error?: Error): void
  }>()
  expectTypeOf(deliver).toEqualTypeOf<
    (receiver: Receiver, chunk: Uint8Array, isOpen: () => boolean) => number
  >()
  // A Buffer of Node is memory like any other.
  deliver(new Recorder(8), Buffer.from([1]), open)
  expect(deliver).toHaveLength(3)
})
