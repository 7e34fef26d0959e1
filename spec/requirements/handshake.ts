import type { Section } from '../requirement.js'

export const handshake: readonly Section[] = [
  {
    heading: 'Newstyle negotiation',
    rules: [
      {
        id: 'server/newstyle/strange-client-flags',
        keyword: 'MUST',
        rule: 'disconnect a client that sets a client flag which is unknown, or which answers to nothing that was offered',
        alsoUnder: ['Client flags'],
        status: 'kept',
      },
      {
        id: 'server/newstyle/refused-export-name',
        keyword: 'MUST',
        rule: 'end the session when it does not grant the export of NBD_OPT_EXPORT_NAME',
        alsoUnder: ['Option types, NBD_OPT_EXPORT_NAME'],
        status: 'kept',
      },
    ],
  },
  {
    heading: 'Fixed newstyle negotiation',
    rules: [
      {
        id: 'client/haggling/one-option-at-a-time',
        keyword: 'MUST NOT',
        rule: 'send an option while an earlier one still waits for its final reply',
        status: 'kept',
      },
    ],
  },
  {
    heading: 'Termination of the session during option haggling',
    rules: [
      {
        id: 'client/haggling/abort-then-close',
        keyword: 'MUST',
        rule: 'close the connection after NBD_OPT_ABORT',
        status: 'kept',
      },
      {
        id: 'client/haggling/abort-ends-tls',
        keyword: 'MUST',
        rule: 'end TLS, where it runs, between NBD_OPT_ABORT and the closing of the connection',
        status: 'kept',
      },
      {
        id: 'client/haggling/cut-where-no-goodbye-is-left',
        keyword: 'MUST',
        rule: 'drop the connection where it has to leave and cannot say NBD_OPT_ABORT, as after a failed TLS handshake',
        status: 'kept',
      },
      {
        id: 'server/haggling/cut-where-no-error-is-left',
        keyword: 'MUST',
        rule: 'drop the connection where it has to end the session and has no error reply to say so',
        status: 'kept',
      },
      {
        id: 'client/haggling/no-hard-disconnect',
        keyword: 'MUST NOT',
        rule: 'drop the connection without NBD_OPT_ABORT, unless the server broke a rule or TLS failed',
        status: 'kept',
        unless: 'the caller destroys the handle, aborts a call, or a time limit runs out',
      },
      {
        id: 'client/haggling/leave-by-abort',
        keyword: 'MUST',
        rule: 'use NBD_OPT_ABORT when it just does not want to go on',
        status: 'kept',
      },
      {
        id: 'server/haggling/no-hard-disconnect',
        keyword: 'MUST NOT',
        rule: 'drop the connection of a client that broke no rule and harms nobody',
        status: 'kept',
        unless: 'the client is slower than `timeouts` or asks for more than `limits`',
      },
      {
        id: 'server/haggling/refuse-by-errors',
        keyword: 'MUST',
        rule: 'answer the options of an unwelcome client by errors until it goes of its own accord',
        status: 'kept',
      },
      {
        id: 'client/haggling/leave-on-shutdown',
        keyword: 'MUST',
        rule: 'leave by NBD_OPT_ABORT when an option is answered by NBD_REP_ERR_SHUTDOWN',
        status: 'kept',
      },
    ],
  },
]
