import { memoryBackend, Server } from '@nbdjs/server'
import { nodeTlsServer } from '@nbdjs/tls'

/** Serves a disk to clients that know a key in the file. */
export function serve(pskFile: string): Server {
  return new Server({
    exports: { '': memoryBackend(4096) },
    tls: 'required',
    tlsProvider: nodeTlsServer({ pskFile }),
  })
}
