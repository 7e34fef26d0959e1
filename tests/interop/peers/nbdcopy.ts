import { type ClientRun, runClient } from './client-peer.js'
import type { Installation } from './installation.js'

/** Copies with nbdcopy(1). The source and the destination are each a URI or a file. */
export const nbdcopy = (
  source: string,
  destination: string,
  { installation, options = [] }: { installation: Installation; options?: readonly string[] },
): Promise<ClientRun> => runClient('nbdcopy', installation, [...options, source, destination])
