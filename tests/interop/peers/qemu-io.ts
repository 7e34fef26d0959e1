import { type ClientRun, runClient } from './client-peer.js'
import type { Installation } from './installation.js'

/**
 * Runs commands of qemu-io's on a raw export, one after the other: `write -P 0xab 0 64k`. Its exit code is
 * not zero if one of them fails, a read that finds another pattern than `-P` says included.
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
