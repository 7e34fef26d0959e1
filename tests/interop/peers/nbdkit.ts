import { commandLine, type Installation, nbdkitModule } from './installation.js'
import { type Address, type ListenOn, type ServerPeer, startServer } from './server-peer.js'

export interface NbdkitOptions {
  readonly installation: Installation
  /** The default is a unix socket. */
  readonly listenOn?: ListenOn
  /** A name: `memory`. */
  readonly plugin: string
  /** Parameters of the plugin and the filters: `64M`, `delay-read=2`. */
  readonly parameters?: readonly string[]
  /** Names, the first is next to the client: `noextents`. */
  readonly filters?: readonly string[]
  /** Options of nbdkit: `--mask-handshake=0`, `-r`, `-e NAME`. */
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
