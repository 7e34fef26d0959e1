import { memoryBackend, Server } from '@nbdjs/server'
import { cutAt, delay, failBackend, reorder } from '@nbdjs/server/faults'

/** Reads of byte 4096 fail with EIO, replies are late and out of order, and there are no structured replies. */
export const flaky: Server = new Server({
  exports: { '': failBackend(memoryBackend(2 ** 20), { offset: 4096, methods: ['read'] }) },
  features: { structuredReplies: false },
  faults: [reorder(4), delay(10)],
})

/** The stream ends within the reply to the first option. */
export const broken: Server = new Server({
  exports: { '': memoryBackend(2 ** 20) },
  faults: [cutAt(18 + 10)],
})
