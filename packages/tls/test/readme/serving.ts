import { memory, Server } from '@nbdjs/server'
import { nodeTlsServer } from '@nbdjs/tls'

/** Serves a disk to whoever knows a key in the file. */
export function serve(pskFile: string): Server {
  return new Server({
    exports: { '': memory(4096) },
    tls: 'required',
    tlsProvider: nodeTlsServer({ pskFile }),
  })
}
