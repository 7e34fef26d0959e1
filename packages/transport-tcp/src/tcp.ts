import dns from 'node:dns'
import net from 'node:net'
import {
  argumentError,
  type CheckedOptions,
  type Connection,
  checkArgument,
  checkOptions,
  type DialOptions,
  escapeUnprintable,
  option,
  quote,
  type Transport,
  toUriAddress,
} from '@nbdjs/core'
import { dialSocket } from '@nbdjs/node-socket'

/** The port that IANA assigned to NBD. */
export const defaultPort = 10809

/** The options of `tcp`. */
export interface TcpOptions {
  /**
   * Tries the addresses of one family only.
   *
   * @default both families: the first address that connects is used
   */
  readonly family?: 4 | 6
  /**
   * How long the connection may be idle before TCP probes the peer, in milliseconds: 0 for no probes, or from 1000. The
   * system counts whole seconds, rounded down.
   *
   * @default 0
   */
  readonly keepAliveMs?: number
  /**
   * The longest attempt for each address except the last one, in milliseconds, from 10.
   *
   * Node's own default of 250 ms is from RFC 8305, where a late attempt continues beside the next one. Node ends it, and
   * so never reaches a server that is far away.
   *
   * @default 1000
   */
  readonly attemptTimeoutMs?: number
  /**
   * Resolves the host name to addresses.
   *
   * @default `dns.lookup` of Node
   */
  readonly lookup?: net.LookupFunction
}

const isKeepAlive = (value: unknown): boolean =>
  value === 0 || (Number.isSafeInteger(value) && (value as number) >= 1000)

const rules = {
  family: option.oneOf([4, 6]),
  keepAliveMs: option.instance('0, or a whole number of milliseconds from 1000', isKeepAlive, 0),
  attemptTimeoutMs: option.integer({ min: 10 }, 1000),
  lookup: option.function<net.LookupFunction>(),
}

const portRule = option.required(option.integer({ min: 1, max: 65535 }))

/**
 * The kernel tells the server after each read that its data arrived and that there is room for more. Large reads make the
 * server wait: reads of 64 KiB, 16 in flight, took 28 us each without a limit, 17 us with this one and 18 us with 80 KiB;
 * reads of 1 MiB, 235 and 200 us.
 */
const maxReadBytes = 64 * 1024

/**
 * Makes a transport over TCP. A dial tries all addresses of the host one after the other, alternating the families, until
 * one is connected (Node's `autoSelectFamily`). TCP_NODELAY is set.
 *
 * When all addresses failed, the NbdTransportError of the dial lists each of them, and `errno` is that of the first one.
 *
 * @param host A host name or an IP address, IPv6 without brackets.
 * @param port 1 to 65535. The default is 10809.
 * @param options Options of the connection.
 * @returns the transport; it may be dialled any number of times.
 * @throws {NbdUsageError} for an argument or an option that cannot work.
 * @example
 * const nbd = await connect(tcp('localhost', 10809))
 */
export function tcp(host: string, port: number = defaultPort, options: TcpOptions = {}): Transport {
  checkHost(host)
  checkArgument('tcp', 'port', portRule, port)
  const connectOptions = tcpConnectOptions(host, port, checkOptions('tcp', rules, options))
  const address = formatAddress(host, port)
  const dial = ({ signal, onStep }: DialOptions): Promise<Connection> =>
    dialSocket({
      address,
      signal,
      maxReadBytes,
      create: (onread) => reportSteps(net.connect({ ...connectOptions, onread }), host, onStep),
    })
  return { address, hostName: host, uri: toUriAddress({ transport: 'tcp', host, port }), dial }
}

function checkHost(host: unknown): void {
  if (typeof host !== 'string' || host === '')
    throw argumentError('tcp', 'host', 'a host name or an IP address', host)
  if (host.includes('\0')) throw argumentError('tcp', 'host', 'a host name without NUL', host)
  if (host.startsWith('[')) throw argumentError('tcp', 'host', 'an IPv6 address without brackets', host)
}

/** The arguments of Node's `net.connect`, except `onread`. */
function tcpConnectOptions(
  host: string,
  port: number,
  {
    family,
    keepAliveMs,
    attemptTimeoutMs,
    lookup = dns.lookup as net.LookupFunction,
  }: CheckedOptions<typeof rules>,
): net.TcpNetConnectOpts {
  return {
    host,
    port,
    allowHalfOpen: true,
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: attemptTimeoutMs,
    noDelay: true,
    keepAlive: keepAliveMs > 0,
    keepAliveInitialDelay: keepAliveMs,
    lookup: family === undefined ? lookup : lookupOf(family, lookup),
  }
}

/** Reports what the socket waits for, until it is connected. */
function reportSteps(socket: net.Socket, host: string, onStep: DialOptions['onStep']): net.Socket {
  if (onStep === undefined) return socket
  if (net.isIP(host) === 0) onStep(`looking up ${quote(host)}`)
  return socket.on('connectionAttempt', (ip) => onStep(`connecting to ${ip}`))
}

/** With its own option `family`, Node would try a single address. */
function lookupOf(family: 4 | 6, lookup: net.LookupFunction): net.LookupFunction {
  return (host, options, callback) => lookup(host, { ...options, family }, callback)
}

function formatAddress(host: string, port: number): string {
  return `tcp://${host.includes(':') ? `[${escapeUnprintable(host)}]` : escapeUnprintable(host)}:${port}`
}
