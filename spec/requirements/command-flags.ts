import type { Section } from '../requirement.js'

export const commandFlags: readonly Section[] = [
  {
    heading: 'Command flags',
    rules: [
      {
        id: 'client/command-flags/only-where-they-belong',
        keyword: 'MUST NOT',
        rule: 'set a flag that the command does not have',
        status: 'kept',
        unless: 'the caller disables `strict.flags`',
      },
      {
        id: 'server/command-flags/fua-on-any-command',
        keyword: 'MUST',
        rule: 'accept NBD_CMD_FLAG_FUA with every command if it set NBD_FLAG_SEND_FUA',
        status: 'kept',
      },
      {
        id: 'server/command-flags/no-hole',
        keyword: 'MUST',
        rule: 'understand NBD_CMD_FLAG_NO_HOLE if it set NBD_FLAG_SEND_WRITE_ZEROES',
        status: 'kept',
      },
      {
        id: 'server/command-flags/req-one',
        keyword: 'MUST NOT',
        rule: 'return more than one extent for each context with NBD_CMD_FLAG_REQ_ONE',
        status: 'kept',
      },
      {
        id: 'server/command-flags/fast-zero-or-fail',
        keyword: 'MUST',
        rule: 'fail quickly with NBD_ENOTSUP with NBD_CMD_FLAG_FAST_ZERO if zeroing is not faster than writing',
        alsoUnder: ['Request types, NBD_CMD_WRITE_ZEROES'],
        status: 'kept',
      },
    ],
  },
  {
    heading: 'Structured reply flags',
    rules: [
      {
        id: 'server/reply-flags/done-clear-before-the-end',
        keyword: 'MUST',
        rule: 'leave NBD_REPLY_FLAG_DONE clear on a chunk that others follow',
        status: 'kept',
      },
      {
        id: 'server/reply-flags/done-set-at-the-end',
        keyword: 'MUST',
        rule: 'set NBD_REPLY_FLAG_DONE on the last chunk',
        status: 'kept',
      },
      {
        id: 'server/reply-flags/none-is-the-end',
        keyword: 'MUST',
        rule: 'set NBD_REPLY_FLAG_DONE on every NBD_REPLY_TYPE_NONE',
        alsoUnder: ['Structured reply types, NBD_REPLY_TYPE_NONE'],
        status: 'kept',
      },
      {
        id: 'server/reply-flags/no-others',
        keyword: 'MUST NOT',
        rule: 'set a reply flag that was not negotiated and that the client cannot ignore',
        status: 'kept',
      },
      {
        id: 'client/reply-flags/unknown',
        keyword: 'MUST',
        rule: 'ignore unknown reply flags',
        status: 'kept',
      },
    ],
  },
]
