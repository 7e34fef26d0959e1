import type { Errno } from '@nbdjs/core'
import type { SocketpairResult, SyscallResult, Syscalls } from '../src/syscalls.js'

type Call = keyof Syscalls

/** A result: the name of an error, a value, or a function that returns one (and aborts, for example). */
export type Answer = Errno | number | (() => Errno | number)

/** The results of each call, in order; the last one repeats. A call without results succeeds. */
export type Script = { readonly [call in Call]?: readonly Answer[] }

const success: { readonly [call in Call]: number } = {
  vsockSocket: 0,
  setConnectTimeout: 0,
  connect: 0,
  pollWritable: 1,
  pendingError: 0,
  getpeername: 0,
  socketpair: 0,
  dup3: 0,
  localCid: 3,
  close: 0,
}

/** System calls with scripted results. It keeps account of the descriptors. */
export class ScriptedSyscalls implements Syscalls {
  /** Every call in order, by name. */
  readonly calls: Call[] = []
  /** The calls on descriptors that were not open. */
  readonly faults: string[] = []
  readonly #script: Script
  readonly #open = new Set<number>()
  #nextDescriptor = 1000

  constructor(script: Script = {}) {
    this.#script = script
  }

  /** The descriptors that are open now. */
  get open(): number[] {
    return [...this.#open]
  }

  /** How often a call was made. */
  count(call: Call): number {
    return this.calls.filter((name) => name === call).length
  }

  vsockSocket(): SyscallResult {
    const { errno } = this.#answer('vsockSocket')
    return errno === undefined ? { value: this.#opened() } : { errno }
  }

  setConnectTimeout(fd: number): SyscallResult {
    return this.#answer('setConnectTimeout', fd)
  }

  connect(fd: number): SyscallResult {
    return this.#answer('connect', fd)
  }

  pollWritable(fd: number): SyscallResult {
    return this.#answer('pollWritable', fd)
  }

  pendingError(fd: number): SyscallResult {
    return this.#answer('pendingError', fd)
  }

  getpeername(fd: number): SyscallResult {
    return this.#answer('getpeername', fd)
  }

  socketpair(): SocketpairResult {
    const { errno } = this.#answer('socketpair')
    return errno === undefined ? { value: [this.#opened(), this.#opened()] } : { errno }
  }

  dup3(source: number, target: number): SyscallResult {
    return this.#answer('dup3', source, target)
  }

  // The device's descriptor is a real one.
  localCid(): SyscallResult {
    return this.#answer('localCid')
  }

  close(fd: number): SyscallResult {
    const result = this.#answer('close', fd)
    this.#open.delete(fd)
    return result
  }

  #opened(): number {
    const fd = this.#nextDescriptor++
    this.#open.add(fd)
    return fd
  }

  #answer(call: Call, ...descriptors: number[]): SyscallResult {
    for (const fd of descriptors) {
      if (!this.#open.has(fd)) this.faults.push(`${call} on ${fd}, which is not open`)
    }
    const answers = this.#script[call] ?? [success[call]]
    const answer = answers[Math.min(this.count(call), answers.length - 1)] as Answer
    this.calls.push(call)
    const outcome = typeof answer === 'function' ? answer() : answer
    return typeof outcome === 'number' ? { value: outcome } : { errno: outcome }
  }
}
