import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { commandLine } from './installation.js'
import { scratchFolder } from './scratch.js'
import { type Address, type ListenOn, type ServerPeer, startServer } from './server-peer.js'

export interface NbdServerOptions {
  /** The default is a unix socket. */
  readonly listenOn?: ListenOn
  /** The sections of the configuration except [generic]: `{ disk: { exportname: '/tmp/disk.img' } }`. */
  readonly exports: Readonly<Record<string, Readonly<Record<string, string>>>>
  /** More settings of the section [generic]: `{ allowlist: 'true' }`. */
  readonly generic?: Readonly<Record<string, string>>
}

/**
 * Starts nbd-server(1), the reference implementation, with a configuration file (nbd-server(5)).
 *
 * In the foreground (`-d`) it serves one connection and exits.
 */
export const nbdServer = ({
  listenOn = 'unix',
  exports,
  generic = {},
}: NbdServerOptions): Promise<ServerPeer> =>
  startServer(listenOn, {
    commandLine: (address) => {
      const configuration = join(scratchFolder(), 'nbd-server.conf')
      const sections = { generic: { ...listenSettings(address), ...generic }, ...exports }
      writeFileSync(configuration, Object.entries(sections).map(section).join('\n'))
      return [...commandLine('nbd-server', 'host'), '-d', '-C', configuration]
    },
    // Without a connection, because the server serves only one.
    isListening,
  })

const section = ([name, settings]: readonly [string, Readonly<Record<string, string>>]): string =>
  [`[${name}]`, ...Object.entries(settings).map(([key, value]) => `${key} = ${value}`), ''].join('\n')

const listenSettings = (address: Address): Readonly<Record<string, string>> =>
  address.kind === 'unix'
    ? { unixsock: address.socketPath }
    : { listenaddr: address.host, port: String(address.port) }

/** Reads the socket tables of the system (proc(5)). */
const isListening = (address: Address): boolean =>
  address.kind === 'unix' ? isUnixListener(address.socketPath) : isTcpListener(address.port)

/** `Num RefCount Protocol Flags Type St Inode Path`; the flag is __SO_ACCEPTCON. */
const isUnixListener = (path: string): boolean =>
  tableRows('/proc/net/unix').some((row) => row[3] === '00010000' && row[7] === path)

/** `sl local_address rem_address st ...`; the state is TCP_LISTEN. */
const isTcpListener = (port: number): boolean => {
  const ending = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  return ['/proc/net/tcp', '/proc/net/tcp6']
    .flatMap(tableRows)
    .some((row) => row[3] === '0A' && row[1]?.endsWith(ending))
}

const tableRows = (table: string): string[][] =>
  readFileSync(table, 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
