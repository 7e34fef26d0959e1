import type { Backend } from '@nbdjs/server'

/** A backend call that the test completes. */
export interface PendingCall {
  readonly method: 'read' | 'write' | 'flush'
  readonly offset: number
  readonly length: number
  /** The data of a write, not copied. */
  readonly data: Uint8Array | undefined
  finish(): void
  fail(error: unknown): void
}

/** A backend whose calls the test completes. */
export class SlowBackend implements Backend {
  readonly size: number = 2 ** 30
  readonly pending: PendingCall[] = []

  /** Each byte of a read is the lowest byte of its offset. */
  read(length: number, offset: number): Promise<Uint8Array> {
    return this.#wait('read', length, offset, () => new Uint8Array(length).fill(offset))
  }

  write(data: Uint8Array, offset: number): Promise<void> {
    return this.#wait('write', data.length, offset, () => undefined, data)
  }

  flush(): Promise<void> {
    return this.#wait('flush', 0, 0, () => undefined)
  }

  /** Completes the calls at these positions, in this order. */
  finish(...indexes: readonly number[]): void {
    const calls = indexes.map((index) => this.pending[index])
    for (const call of calls) {
      if (call === undefined) throw new Error(`there are ${this.pending.length} calls`)
      call.finish()
    }
  }

  #wait<T>(
    method: PendingCall['method'],
    length: number,
    offset: number,
    result: () => T,
    data?: Uint8Array,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      const remove = (): void => {
        this.pending.splice(this.pending.indexOf(call), 1)
      }
      const call: PendingCall = {
        method,
        offset,
        length,
        data,
        finish: () => {
          remove()
          resolve(result())
        },
        fail: (error) => {
          remove()
          reject(error)
        },
      }
      this.pending.push(call)
    })
  }
}
