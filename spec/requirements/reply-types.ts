import type { Section } from '../requirement.js'

export const replyTypes: readonly Section[] = [
  {
    heading: 'Structured reply types',
    rules: [
      {
        id: 'client/reply-types/unknown',
        keyword: 'MUST',
        rule: 'disconnect after a chunk of an unknown type or of another command, unless it is an error chunk',
        status: 'kept',
      },
      {
        id: 'server/reply-types/within-the-maximum',
        keyword: 'MUST NOT',
        rule: 'send a chunk whose variable part is longer than the maximum payload that it advertised',
        status: 'kept',
      },
      {
        id: 'client/reply-types/unknown-error',
        keyword: 'MUST',
        rule: 'consider the command failed after an error chunk of an unknown type or of another command',
        status: 'kept',
      },
      {
        id: 'client/reply-types/inconsistent',
        keyword: 'MUST',
        rule: 'disconnect after any other message that is inconsistent or does not match the request',
        status: 'kept',
        unless: 'it is a chunk of block status: only its command fails, as NBD_CMD_BLOCK_STATUS permits',
      },
    ],
  },
  {
    heading: 'Structured reply types, NBD_REPLY_TYPE_NONE',
    rules: [
      {
        id: 'server/reply-type-none/empty',
        keyword: 'MUST',
        rule: 'send it without a payload',
        status: 'kept',
      },
    ],
  },
  {
    heading: 'Structured reply types, NBD_REPLY_TYPE_OFFSET_DATA',
    rules: [
      {
        id: 'server/offset-data/length',
        keyword: 'MUST',
        rule: 'send it with 9 bytes or more',
        status: 'kept',
      },
      {
        id: 'server/offset-data/within-the-request',
        keyword: 'MUST',
        rule: 'keep the data within the requested range',
        alsoUnder: ['Request types, NBD_CMD_READ'],
        status: 'kept',
      },
      {
        id: 'server/offset-data/no-overlap',
        keyword: 'MUST NOT',
        rule: 'send data for a range of an earlier chunk',
        alsoUnder: ['Request types, NBD_CMD_READ'],
        status: 'kept',
      },
    ],
  },
  {
    heading: 'Structured reply types, NBD_REPLY_TYPE_OFFSET_HOLE',
    rules: [
      {
        id: 'server/offset-hole/length',
        keyword: 'MUST',
        rule: 'send it with 12 bytes',
        status: 'kept',
      },
      {
        id: 'server/offset-hole/within-the-request',
        keyword: 'MUST',
        rule: 'keep the hole within the requested range',
        alsoUnder: ['Request types, NBD_CMD_READ'],
        status: 'kept',
      },
      {
        id: 'server/offset-hole/no-overlap',
        keyword: 'MUST NOT',
        rule: 'send a hole for a range of an earlier chunk',
        alsoUnder: ['Request types, NBD_CMD_READ'],
        status: 'kept',
      },
      {
        id: 'server/offset-hole/not-empty',
        keyword: 'MUST',
        rule: 'send no hole of 0 bytes',
        status: 'kept',
      },
    ],
  },
  {
    heading: 'Structured reply types, NBD_REPLY_TYPE_ERROR',
    rules: [
      {
        id: 'server/error-chunk/length',
        keyword: 'MUST',
        rule: 'send it with 6 bytes or more',
        status: 'kept',
      },
      {
        id: 'server/error-chunk/message-length',
        keyword: 'MUST NOT',
        rule: 'send a message of more than 4096 bytes',
        status: 'kept',
      },
      {
        id: 'server/error-chunk/not-zero',
        keyword: 'MUST',
        rule: 'return an error other than 0',
        alsoUnder: ['Structured reply types, NBD_REPLY_TYPE_ERROR_OFFSET'],
        status: 'kept',
      },
    ],
  },
  {
    heading: 'Structured reply types, NBD_REPLY_TYPE_ERROR_OFFSET',
    rules: [
      {
        id: 'server/error-offset/length',
        keyword: 'MUST',
        rule: 'send it with 14 bytes or more',
        status: 'kept',
      },
      {
        id: 'server/error-offset/within-the-request',
        keyword: 'MUST',
        rule: 'return an offset within the range of the request',
        status: 'kept',
      },
    ],
  },
]
