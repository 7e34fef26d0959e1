import { NbdTransportError } from '@nbdjs/core'
import type { Exit } from './server-process.js'

/** `exited with code 1: "nbdkit: error: no such file"`: how a process ended, and its last words. */
export function describeExit({ code, signal, stderr }: Exit): string {
  const how = signal === undefined ? `exited with code ${code}` : `was killed by ${signal}`
  return stderr === '' ? how : `${how}: ${JSON.stringify(stderr)}`
}

/** Whether it ended by itself and says that all went well. */
export function isSuccess({ code }: Exit): boolean {
  return code === 0
}

/**
 * The connection ended because the process did. What the socket had to say of it, if anything, is the `cause`
 * and gives operation and errno; the errno is ECONNRESET elsewhere.
 */
export function exitError(
  operation: string,
  address: string,
  exit: Exit,
  cause?: NbdTransportError,
): NbdTransportError {
  const done = cause?.operation ?? operation
  const message = `${done} of ${address} failed: the process ${describeExit(exit)}`
  const details = { operation: done, address, errno: cause?.errno ?? 'ECONNRESET' }
  return new NbdTransportError(message, cause === undefined ? details : { ...details, cause })
}

/** Throws where there are no unix sockets and no shell. */
export function requirePosix(address: string, platform: NodeJS.Platform = process.platform): void {
  if (platform === 'win32')
    throw notSupported(address, `processes as servers are not supported on ${platform}`)
}

/** What cannot be done where Node cannot do it. */
export function notSupported(address: string, what: string): NbdTransportError {
  return new NbdTransportError(`dial of ${address} failed: ${what}`, {
    operation: 'dial',
    address,
    errno: 'ENOTSUP',
  })
}
