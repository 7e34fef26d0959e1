import type { Section } from '../requirement.js'

export const transmissionFlags: readonly Section[] = [
  {
    heading: 'Transmission flags',
    rules: [
      {
        id: 'server/transmission-flags/true',
        keyword: 'MUST NOT',
        rule: 'set the flag of a feature that it does not have',
        status: 'kept',
      },
      {
        id: 'client/transmission-flags/obeyed',
        keyword: 'MUST NOT',
        rule: 'use a feature while its flag is clear',
        status: 'kept',
        unless: 'the caller disables `strict.commands`',
      },
      {
        id: 'server/transmission-flags/has-flags',
        keyword: 'MUST',
        rule: 'always set NBD_FLAG_HAS_FLAGS',
        status: 'kept',
      },
      {
        id: 'server/transmission-flags/read-only',
        keyword: 'MUST',
        rule: 'fail every command that would modify an export for which it set NBD_FLAG_READ_ONLY',
        status: 'kept',
      },
      {
        id: 'server/transmission-flags/df-if-supported',
        keyword: 'MUST',
        rule: 'set NBD_FLAG_SEND_DF if reads may have NBD_CMD_FLAG_DF',
        status: 'kept',
      },
      {
        id: 'server/transmission-flags/df-with-structured-replies',
        keyword: 'MUST',
        rule: 'leave NBD_FLAG_SEND_DF clear unless structured replies were negotiated',
        status: 'kept',
      },
      {
        id: 'client/transmission-flags/df-if-offered',
        keyword: 'MUST NOT',
        rule: 'set NBD_CMD_FLAG_DF unless the server set NBD_FLAG_SEND_DF',
        alsoUnder: ['Command flags'],
        status: 'kept',
        unless: 'the caller disables `strict.commands`',
      },
      {
        id: 'server/transmission-flags/multi-conn',
        keyword: 'MUST',
        rule: 'apply a flush and FUA to all connections if it set NBD_FLAG_CAN_MULTI_CONN',
        status: 'kept',
      },
      {
        id: 'server/transmission-flags/fast-zero-if-supported',
        keyword: 'MUST',
        rule: 'set NBD_FLAG_SEND_FAST_ZERO if zeroing may have NBD_CMD_FLAG_FAST_ZERO',
        status: 'kept',
      },
      {
        id: 'server/transmission-flags/fast-zero-with-write-zeroes',
        keyword: 'MUST',
        rule: 'leave NBD_FLAG_SEND_FAST_ZERO clear if NBD_FLAG_SEND_WRITE_ZEROES is clear',
        status: 'kept',
      },
      {
        id: 'client/transmission-flags/fast-zero-if-offered',
        keyword: 'MUST NOT',
        rule: 'set NBD_CMD_FLAG_FAST_ZERO unless the server set NBD_FLAG_SEND_FAST_ZERO',
        alsoUnder: ['Command flags', 'Request types, NBD_CMD_WRITE_ZEROES'],
        status: 'kept',
        unless: 'the caller disables `strict.commands`',
      },
    ],
  },
]
