import { memory, Server } from '@nbdjs/server'
import { cutAt, delay, failing, reorder } from '@nbdjs/server/faults'

/** Reading the sector at 4096 gives EIO, replies come late and in the wrong order, and no structured ones. */
export const flaky: Server = new Server({
  exports: { '': failing(memory(2 ** 20), { offset: 4096, methods: ['read'] }) },
  features: { structuredReplies: false },
  faults: [reorder(4), delay(10)],
})

/** The stream ends in the middle of the reply to the first option. */
export const broken: Server = new Server({ exports: { '': memory(2 ** 20) }, faults: [cutAt(18 + 10)] })
