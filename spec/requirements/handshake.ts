import type { Section } from '../requirement.js'

export const handshake: readonly Section[] = [
  {
    heading: 'Newstyle negotiation',
    rules: [
      {
        id: 'server/newstyle/strange-client-flags',
        keyword: 'MUST',
        rule: 'disconnect a client that sets a client flag that is unknown or was not offered',
        alsoUnder: ['Client flags'],
        status: 'kept',
      },
      {
        id: 'server/newstyle/refused-export-name',
        keyword: 'MUST',
        rule: 'end the session if it rejects the export of NBD_OPT_EXPORT_NAME',
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
        rule: 'end TLS between NBD_OPT_ABORT and the close of the connection',
        status: 'kept',
      },
      {
        id: 'client/haggling/cut-where-no-goodbye-is-left',
        keyword: 'MUST',
        rule: 'disconnect if it cannot send NBD_OPT_ABORT, as after a failed TLS handshake',
        status: 'kept',
      },
      {
        id: 'server/haggling/cut-where-no-error-is-left',
        keyword: 'MUST',
        rule: 'disconnect if it must end the session and no error reply exists',
        status: 'kept',
      },
      {
        id: 'client/haggling/no-hard-disconnect',
        keyword: 'MUST NOT',
        rule: 'disconnect without NBD_OPT_ABORT, unless the server violated a rule or TLS failed',
        status: 'kept',
        unless: 'the caller destroys the handle, aborts a call, or a timeout expires',
      },
      {
        id: 'client/haggling/leave-by-abort',
        keyword: 'MUST',
        rule: 'use NBD_OPT_ABORT if it does not want to continue',
        status: 'kept',
      },
      {
        id: 'server/haggling/no-hard-disconnect',
        keyword: 'MUST NOT',
        rule: 'disconnect a client that violated no rule and does no harm',
        status: 'kept',
        unless: 'the client exceeds `timeouts` or `limits`',
      },
      {
        id: 'server/haggling/refuse-by-errors',
        keyword: 'MUST',
        rule: 'answer the options of a rejected client with errors until the client disconnects',
        status: 'kept',
      },
      {
        id: 'client/haggling/leave-on-shutdown',
        keyword: 'MUST',
        rule: 'disconnect with NBD_OPT_ABORT if an option is answered with NBD_REP_ERR_SHUTDOWN',
        status: 'kept',
      },
    ],
  },
]
