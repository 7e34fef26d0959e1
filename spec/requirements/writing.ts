import type { Section } from '../requirement.js'

export const writing: readonly Section[] = [
  {
    heading: 'Request types, NBD_CMD_WRITE',
    rules: [
      {
        id: 'client/write/data-follows',
        keyword: 'MUST',
        rule: 'send exactly `length` bytes of data after the request',
        status: 'kept',
      },
      {
        id: 'server/write/then-reply',
        keyword: 'MUST',
        rule: 'write the data before it replies',
        status: 'kept',
      },
      {
        id: 'server/write/tell-the-error',
        keyword: 'MUST',
        rule: 'return the error in its reply if it fails',
        status: 'kept',
      },
    ],
  },
  {
    heading: 'Request types, NBD_CMD_DISC',
    rules: [
      {
        id: 'server/disc/answer-what-came-before',
        keyword: 'MUST',
        rule: 'execute and answer all earlier requests before it closes',
        status: 'kept',
      },
      {
        id: 'client/disc/nothing-after',
        keyword: 'MUST NOT',
        rule: 'send anything after it',
        status: 'kept',
      },
      {
        id: 'client/disc/zero-range',
        keyword: 'MUST',
        rule: 'send it with offset and length 0',
        status: 'kept',
      },
    ],
  },
  {
    heading: 'Request types, NBD_CMD_FLUSH',
    rules: [
      {
        id: 'client/flush/if-offered',
        keyword: 'MUST NOT',
        rule: 'send it unless the server set NBD_FLAG_SEND_FLUSH',
        status: 'kept',
        unless: 'the caller disables `strict.commands`',
      },
      {
        id: 'client/flush/zero-range',
        keyword: 'MUST',
        rule: 'send it with offset and length 0',
        status: 'kept',
      },
    ],
  },
  {
    heading: 'Request types, NBD_CMD_TRIM',
    rules: [
      {
        id: 'client/trim/no-assumptions',
        keyword: 'MUST NOT',
        rule: 'assume anything about trimmed ranges until they are written again',
        status: 'not-applicable',
        reason: 'The client keeps no copy of the data of an export.',
      },
      {
        id: 'client/trim/if-offered',
        keyword: 'MUST NOT',
        rule: 'send it unless the server set NBD_FLAG_SEND_TRIM',
        status: 'kept',
        unless: 'the caller disables `strict.commands`',
      },
    ],
  },
  {
    heading: 'Request types, NBD_CMD_CACHE',
    rules: [
      {
        id: 'server/cache/tell-the-error',
        keyword: 'MUST',
        rule: 'return the error in its reply if it fails',
        status: 'kept',
      },
      {
        id: 'server/cache/no-other-effect',
        keyword: 'MUST NOT',
        rule: 'let it change anything except the speed of later commands',
        status: 'kept',
      },
      {
        id: 'server/cache/unknown-flags',
        keyword: 'MUST',
        rule: 'reject it with unknown flags, if it set NBD_FLAG_SEND_CACHE',
        status: 'kept',
      },
    ],
  },
  {
    heading: 'Request types, NBD_CMD_WRITE_ZEROES',
    rules: [
      {
        id: 'server/write-zeroes/then-reply',
        keyword: 'MUST',
        rule: 'zero the range before it replies',
        status: 'kept',
      },
      {
        id: 'client/write-zeroes/if-offered',
        keyword: 'MUST NOT',
        rule: 'send it unless the server set NBD_FLAG_SEND_WRITE_ZEROES',
        status: 'kept',
        unless: 'the caller disables `strict.commands`',
      },
      {
        id: 'server/write-zeroes/reads-as-zero',
        keyword: 'MUST',
        rule: 'make the range read as zeroes, holes included',
        status: 'kept',
      },
      {
        id: 'server/write-zeroes/no-hole-is-allocated',
        keyword: 'MUST',
        rule: 'allocate all of the range with NBD_CMD_FLAG_NO_HOLE, to guarantee the space of later writes',
        status: 'kept',
      },
      {
        id: 'server/write-zeroes/slow-is-no-error',
        keyword: 'MUST NOT',
        rule: 'fail with NBD_ENOTSUP without NBD_CMD_FLAG_FAST_ZERO, even if zeroing is slow',
        status: 'kept',
      },
      {
        id: 'server/write-zeroes/tell-the-error',
        keyword: 'MUST',
        rule: 'return the error in its reply if it fails',
        status: 'kept',
      },
    ],
  },
]
