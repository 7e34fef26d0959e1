import { commandLine, type Installation, nbdkitModule } from './installation.js'
import { type Address, type ListenOn, type ServerPeer, startServer } from './server-peer.js'

export interface NbdkitOptions {
  readonly installation: Installation
  /** The default is a unix socket. */
  readonly listenOn?: ListenOn
  /** By name: `memory`. */
  readonly plugin: string
  /** For plugin and filters: `64M`, `delay-read=2`. */
  readonly parameters?: readonly string[]
  /** By name, the first one next to the client: `noextents`. */
  readonly filters?: readonly string[]
  /** nbdkit's own: `--mask-handshake=0`, `-r`, `-e NAME`. */
  readonly options?: readonly string[]
}

/** Starts nbdkit(1) in the foreground. */
export const nbdkit = ({
  installation,
  listenOn = 'unix',
  plugin,
  parameters = [],
  filters = [],
  options = [],
}: NbdkitOptions): Promise<ServerPeer> =>
  startServer(listenOn, {
    commandLine: (address) => [
      ...commandLine('nbdkit', installation),
      '--foreground',
      ...listenOptions(address),
      ...options,
      ...filters.map((filter) => `--filter=${nbdkitModule('filter', filter, installation)}`),
      nbdkitModule('plugin', plugin, installation),
      ...parameters,
    ],
  })

const listenOptions = (address: Address): readonly string[] =>
  address.kind === 'unix' ? ['-U', address.socketPath] : ['-i', address.host, '-p', String(address.port)]
