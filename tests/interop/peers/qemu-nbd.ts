import { commandLine, type Installation } from './installation.js'
import { type Address, type ListenOn, type ServerPeer, startServer } from './server-peer.js'

export interface QemuNbdOptions {
  readonly installation: Installation
  /** The default is a unix socket. */
  readonly listenOn?: ListenOn
  readonly image: string
  /** What the image is: `raw` by default; `options` for a list of options as `--image-opts` takes it. */
  readonly format?: 'raw' | 'qcow2' | 'options'
  readonly exportName?: string
  /** qemu-nbd's own: `--read-only`, `--description=TEXT`. */
  readonly options?: readonly string[]
}

/** Starts qemu-nbd(8), which outlives its clients and serves several at once. */
export const qemuNbd = ({
  installation,
  listenOn = 'unix',
  image,
  format = 'raw',
  exportName = '',
  options = [],
}: QemuNbdOptions): Promise<ServerPeer> =>
  startServer(listenOn, {
    commandLine: (address) => [
      ...commandLine('qemu-nbd', installation),
      ...['--persistent', '--shared=0', `--export-name=${exportName}`],
      format === 'options' ? '--image-opts' : `--format=${format}`,
      ...listenOptions(address),
      ...options,
      image,
    ],
  })

const listenOptions = (address: Address): readonly string[] =>
  address.kind === 'unix'
    ? [`--socket=${address.socketPath}`]
    : [`--bind=${address.host}`, `--port=${address.port}`]
