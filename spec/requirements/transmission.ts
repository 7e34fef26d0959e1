import type { Section } from '../requirement.js'

export const transmission: readonly Section[] = [
  {
    heading: 'Transmission',
    rules: [
      {
        id: 'server/transmission/simple-by-default',
        keyword: 'MUST',
        rule: 'answer every request with a simple reply unless structured replies were negotiated',
        alsoUnder: ['Simple reply message', 'Request types, NBD_CMD_READ'],
        status: 'kept',
      },
      {
        id: 'server/transmission/same-cookie',
        keyword: 'MUST',
        rule: 'copy the cookie of the request unchanged into each reply',
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
        rule: 'send a flush on one of several connections before the writes that it shall cover are answered on all of them',
        status: 'not-applicable',
        reason: 'A handle is one connection. A caller with several awaits the writes before the flush.',
      },
      {
        id: 'server/ordering/fua-before-the-reply',
        keyword: 'MUST NOT',
        rule: 'answer a command with NBD_CMD_FLAG_FUA before the written data is on stable storage',
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
        rule: 'send everything with a payload, such as the reply to a read, in chunks once structured replies are negotiated',
        alsoUnder: ['Option types, NBD_OPT_STRUCTURED_REPLY', 'Request types, NBD_CMD_READ'],
        status: 'kept',
      },
      {
        id: 'server/structured/no-simple-reply-to-a-read',
        keyword: 'MUST NOT',
        rule: 'answer a read with a simple reply then, not even to reject its flags',
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
        rule: 'close the connection after NBD_CMD_DISC',
        alsoUnder: ['Request types, NBD_CMD_DISC'],
        status: 'kept',
      },
      {
        id: 'server/disconnect/disc-ends-tls',
        keyword: 'MUST',
        rule: 'end TLS before it closes the connection after NBD_CMD_DISC',
        alsoUnder: ['Request types, NBD_CMD_DISC'],
        status: 'kept',
      },
      {
        id: 'client/disconnect/leave-on-shutdown',
        keyword: 'MUST',
        rule: 'disconnect with NBD_CMD_DISC if a command fails with NBD_ESHUTDOWN',
        status: 'kept',
      },
      {
        id: 'client/disconnect/no-other-way',
        keyword: 'MUST NOT',
        rule: 'disconnect without NBD_CMD_DISC, unless the server violated a rule',
        status: 'kept',
        unless: 'the caller destroys the handle, or a timeout expires',
      },
      {
        id: 'server/disconnect/no-other-way',
        keyword: 'MUST NOT',
        rule: 'disconnect a client that violated no rule and did not send NBD_CMD_DISC, unless the server shuts down',
        status: 'kept',
        unless: 'the client exceeds `limits`',
      },
    ],
  },
]
