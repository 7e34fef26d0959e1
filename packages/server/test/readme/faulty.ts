import { memoryBackend, Server } from '@nbdjs/server'
import { cutAt, delay, failBackend, reorder } from '@nbdjs/server/faults'

/** Reading the sector at 4096 gives EIO, replies come late and in the wrong order, and no structured ones. */
export const flaky: Server = new Server({
  exports: { '': failBackend(memoryBackend(2 ** 20), { offset: 4096, methods: ['read'] }) },
  features: { structuredReplies: false },
  faults: [reorder(4), delay(10)],
})

/** The stream ends in the middle of the reply to the first option. */
export const broken: Server = new Server({
  exports: { '': memoryBackend(2 ** 20) },
  faults: [cutAt(18 + 10)],
})
