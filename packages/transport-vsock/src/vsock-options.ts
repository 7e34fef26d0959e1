import { inspect } from 'node:util'
import { NbdUsageError } from '@nbdjs/core'

export interface VsockOptions {
  /**
   * After how many milliseconds without an answer a dial fails with ETIMEDOUT: an integer from 1 to 2147483647
   * (the longest timer of Node). Default: 2000, as the kernel has it. It is set on the socket as well
   * (SO_VM_SOCKETS_CONNECT_TIMEOUT), so that it may be longer than the kernel's own.
   */
  readonly connectTimeoutMs?: number | undefined
}

/** How long Linux waits for the answer to a connect (VSOCK_DEFAULT_CONNECT_TIMEOUT). */
export const KERNEL_CONNECT_TIMEOUT_MS = 2000

const LONGEST_TIMER_MS = 2 ** 31 - 1

/** Throws a NbdUsageError for an option that is unknown or out of its range. */
export function requireVsockOptions(options: VsockOptions): void {
  if (typeof options !== 'object' || options === null) {
    throw new NbdUsageError(`options must be an object, got ${inspect(options)}`)
  }
  const unknown = Object.keys(options).find((name) => name !== 'connectTimeoutMs')
  if (unknown !== undefined) {
    throw new NbdUsageError(`options has no member ${inspect(unknown)}; it may have connectTimeoutMs`)
  }
  const { connectTimeoutMs } = options
  if (connectTimeoutMs === undefined) return
  if (!Number.isInteger(connectTimeoutMs) || connectTimeoutMs < 1 || connectTimeoutMs > LONGEST_TIMER_MS) {
    throw new NbdUsageError(
      `options.connectTimeoutMs must be an integer from 1 to ${LONGEST_TIMER_MS}, got ${inspect(connectTimeoutMs)}`,
    )
  }
}
