import { Buffer } from 'node:buffer'
import { NbdUsageError } from '@nbdjs/core'

export interface TcpListenOptions {
  /** 0 takes any that is free; 10809 is NBD's own. */
  readonly port: number
  /** A name or an address of this machine. Default: `127.0.0.1`, which only this machine can reach. */
  readonly host?: string
}

export interface UnixListenOptions {
  /** Where to make the socket. It is removed when the server is closed. */
  readonly path: string
}

/** What a listening TCP socket is bound to. */
export interface TcpAddress {
  /** The numeric address. */
  readonly host: string
  readonly port: number
  /** `nbd://127.0.0.1:10809`, and `nbds:` where TLS is required. */
  readonly uri: string
}

/** What a listening unix socket is bound to. */
export interface UnixAddress {
  readonly path: string
  /** `nbd+unix:///?socket=/run/nbd.sock`, and `nbds+unix:` where TLS is required. */
  readonly uri: string
}

/** The room for a path in the system's `sockaddr_un`, less the closing NUL. Node cuts off what is longer. */
const MAX_PATH_BYTES = process.platform === 'linux' ? 107 : 103

/** Throws a NbdUsageError. */
export function checkTcp({ port, host }: TcpListenOptions): void {
  if (!Number.isInteger(port) || port < 0 || port > 65535) {
    throw new NbdUsageError(`port is ${port}: expected a whole number from 0 to 65535`)
  }
  if (host !== undefined && (typeof host !== 'string' || host === '')) {
    throw new NbdUsageError(`host is '${host}': expected a name or an address`)
  }
}

/** Throws a NbdUsageError. */
export function checkUnix({ path }: UnixListenOptions): void {
  if (typeof path !== 'string' || path === '' || path.includes('\0')) {
    throw new NbdUsageError(`path is ${JSON.stringify(path)}: expected the name of a file`)
  }
  const length = Buffer.byteLength(path)
  if (length > MAX_PATH_BYTES) {
    throw new NbdUsageError(
      `path has ${length} bytes: expected at most ${MAX_PATH_BYTES}, which is all that the name of a unix socket can have: ${path}`,
    )
  }
}

/** `127.0.0.1:10809`, `[::1]:10809` */
export function hostAndPort(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

export function tcpAddress(host: string, port: number): TcpAddress {
  return { host, port, uri: `nbd://${hostAndPort(host, port)}` }
}

export function unixAddress(path: string): UnixAddress {
  return { path, uri: `nbd+unix:///?socket=${encodeURIComponent(path).replaceAll('%2F', '/')}` }
}
