import type { Section } from '../requirement.js'

export const transmission: readonly Section[] = [
  {
    heading: 'Transmission',
    rules: [
      {
        id: 'server/transmission/simple-by-default',
        keyword: 'MUST',
        rule: 'answer every request by a simple reply unless structured replies were negotiated',
        alsoUnder: ['Simple reply message', 'Request types, NBD_CMD_READ'],
        status: 'kept',
      },
      {
        id: 'server/transmission/same-cookie',
        keyword: 'MUST',
        rule: 'put the cookie of the request into each reply, bit by bit as it came',
        status: 'kept',
      },
    ],
  },
  {
    heading: 'Ordering of messages and writes',
    rules: [
      {
        id: 'server/ordering/flush-covers-answered-writes',
        keyword: 'MUST',
        rule: 'have every write, zeroing and trim that it answered before on stable storage when it answers a flush',
        alsoUnder: ['Request types, NBD_CMD_FLUSH'],
        status: 'kept',
      },
      {
        id: 'client/ordering/flush-over-many-connections',
        keyword: 'MUST NOT',
        rule: 'flush over one of several connections before the writes that it is to cover are answered on all of them',
        status: 'not-applicable',
        reason:
          'A handle is one connection. Who spreads commands over several awaits the writes before the flush.',
      },
      {
        id: 'server/ordering/fua-before-the-reply',
        keyword: 'MUST NOT',
        rule: 'answer a command with NBD_CMD_FLAG_FUA before what it wrote is on stable storage',
        alsoUnder: ['Command flags'],
        status: 'kept',
      },
    ],
  },
  {
    heading: 'Structured reply chunk message',
    rules: [
      {
        id: 'server/structured/only-if-negotiated',
        keyword: 'MUST NOT',
        rule: 'send a structured reply to a client that did not negotiate them',
        status: 'kept',
      },
      {
        id: 'server/structured/data-in-chunks',
        keyword: 'MUST',
        rule: 'send what has a payload, the answer to a read above all, in chunks once structured replies were negotiated',
        alsoUnder: ['Option types, NBD_OPT_STRUCTURED_REPLY', 'Request types, NBD_CMD_READ'],
        status: 'kept',
      },
      {
        id: 'server/structured/no-simple-reply-to-a-read',
        keyword: 'MUST NOT',
        rule: 'answer a read by a simple reply then, not even to refuse it for its flags',
        status: 'kept',
      },
      {
        id: 'server/structured/done-is-last',
        keyword: 'MUST',
        rule: 'send the chunk with NBD_REPLY_FLAG_DONE as the last of its reply',
        status: 'kept',
      },
      {
        id: 'server/structured/done-when-certain',
        keyword: 'MUST NOT',
        rule: 'set NBD_REPLY_FLAG_DONE on content while the command can still fail',
        alsoUnder: ['Request types, NBD_CMD_READ'],
        status: 'kept',
      },
    ],
  },
  {
    heading: 'Terminating the transmission phase',
    rules: [
      {
        id: 'server/disconnect/close-after-disc',
        keyword: 'MUST',
        rule: 'close the connection upon NBD_CMD_DISC',
        alsoUnder: ['Request types, NBD_CMD_DISC'],
        status: 'kept',
      },
      {
        id: 'server/disconnect/disc-ends-tls',
        keyword: 'MUST',
        rule: 'end TLS, where it runs, before it closes the connection upon NBD_CMD_DISC',
        alsoUnder: ['Request types, NBD_CMD_DISC'],
        status: 'kept',
      },
      {
        id: 'client/disconnect/leave-on-shutdown',
        keyword: 'MUST',
        rule: 'leave by NBD_CMD_DISC when a command fails with NBD_ESHUTDOWN',
        status: 'kept',
      },
      {
        id: 'client/disconnect/no-other-way',
        keyword: 'MUST NOT',
        rule: 'leave otherwise than by NBD_CMD_DISC, unless the server broke a rule',
        status: 'kept',
        unless: 'the caller destroys the handle, or a time limit runs out',
      },
      {
        id: 'server/disconnect/no-other-way',
        keyword: 'MUST NOT',
        rule: 'disconnect a client that broke no rule and did not say NBD_CMD_DISC, unless the server is shut down',
        status: 'kept',
        unless: 'the client asks for more than `limits`',
      },
    ],
  },
]
