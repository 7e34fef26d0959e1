import { type ClientRun, runClient } from './client-peer.js'
import type { Installation } from './installation.js'

/**
 * Runs commands of qemu-io on a raw export, one after the other: `write -P 0xab 0 64k`. Fails if one of them fails, or if a
 * read finds another pattern than that of `-P`.
 */
export const qemuIo = (
  installation: Installation,
  uri: string,
  commands: readonly string[],
): Promise<ClientRun> =>
  runClient('qemu-io', installation, [
    '--format=raw',
    ...commands.flatMap((command) => ['--cmd', command]),
    uri,
  ])
