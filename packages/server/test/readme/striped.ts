import { type MetaContextSource, memoryBackend, Server } from '@nbdjs/server'

/** The flags of each MiB are its number modulo 3. */
const stripes: MetaContextSource = {
  *extents(_length, offset) {
    for (let at = Number(offset); ; ) {
      const stripe = Math.floor(at / 2 ** 20)
      yield { length: (stripe + 1) * 2 ** 20 - at, flags: stripe % 3 }
      at = (stripe + 1) * 2 ** 20
    }
  },
}

export const striped: Server = new Server({
  exports: { '': memoryBackend(2 ** 24, { metaContexts: { 'x-demo:stripes': stripes } }) },
})
