import type { Section } from '../requirement.js'

export const handshakeFlags: readonly Section[] = [
  {
    heading: 'Handshake flags',
    rules: [
      {
        id: 'server/handshake-flags/fixed-newstyle',
        keyword: 'MUST',
        rule: 'set NBD_FLAG_FIXED_NEWSTYLE if it supports fixed newstyle',
        status: 'kept',
      },
      {
        id: 'server/handshake-flags/no-zeroes',
        keyword: 'MUST NOT',
        rule: 'send the 124 zeroes after its answer to NBD_OPT_EXPORT_NAME if both sides set NO_ZEROES',
        alsoUnder: ['Client flags'],
        status: 'kept',
      },
      {
        id: 'server/handshake-flags/no-others',
        keyword: 'MUST NOT',
        rule: 'set a handshake flag other than these two',
        status: 'kept',
      },
      {
        id: 'server/handshake-flags/none-in-oldstyle',
        keyword: 'MUST NOT',
        rule: 'set one in an oldstyle greeting',
        status: 'not-applicable',
        reason: 'The server does not speak oldstyle.',
      },
    ],
  },
  {
    heading: 'Client flags',
    rules: [
      {
        id: 'client/client-flags/no-zeroes-if-offered',
        keyword: 'MUST NOT',
        rule: 'set NBD_FLAG_C_NO_ZEROES if the server did not set NBD_FLAG_NO_ZEROES',
        status: 'kept',
      },
      {
        id: 'client/client-flags/no-others',
        keyword: 'MUST NOT',
        rule: 'set a client flag other than FIXED_NEWSTYLE and NO_ZEROES',
        status: 'kept',
      },
    ],
  },
]
