import type { Section, Standing } from '../requirement.js'

const neverLate: Standing = {
  status: 'not-applicable',
  reason: 'A read is answered once all of its data is there: nothing can fail after the first byte.',
}

export const reading: readonly Section[] = [
  {
    heading: 'Request types, NBD_CMD_READ',
    rules: [
      {
        id: 'server/read/no-data-after-an-error',
        keyword: 'MUST NOT',
        rule: 'send data after a simple reply with an error, if it keeps the connection',
        status: 'kept',
      },
      {
        id: 'server/read/late-error-disconnects',
        keyword: 'MUST',
        rule: 'disconnect at once if it fails after a simple reply that told success',
        ...neverLate,
      },
      {
        id: 'server/read/nothing-after-a-late-error',
        keyword: 'MUST NOT',
        rule: 'send anything more then',
        ...neverLate,
      },
      {
        id: 'server/read/no-empty-chunk',
        keyword: 'MUST',
        rule: 'tell of one byte or more in each chunk of content',
        status: 'kept',
      },
      {
        id: 'client/read/reassemble',
        keyword: 'MUST',
        rule: 'put the chunks of content together in whatever order they come',
        status: 'kept',
      },
      {
        id: 'server/read/split-huge-data',
        keyword: 'MUST',
        rule: 'split data of more than 2^32 - 9 bytes, for the length of a chunk has 32 bits, or refuse the read',
        status: 'kept',
      },
      {
        id: 'server/read/all-of-it',
        keyword: 'MUST',
        rule: 'send content for all that was asked for, unless it fails',
        status: 'kept',
      },
      {
        id: 'server/read/complete-the-chunk',
        keyword: 'MUST',
        rule: 'send a chunk that it began to its end, with padding for what it could not read',
        ...neverLate,
      },
      {
        id: 'server/read/tell-the-error',
        keyword: 'MUST',
        rule: 'send an error chunk if it fails',
        status: 'kept',
      },
      {
        id: 'server/read/content-before-its-error',
        keyword: 'MUST',
        rule: 'send the content first where content and error are about the same place',
        ...neverLate,
      },
      {
        id: 'server/read/df-is-one-chunk',
        keyword: 'MUST',
        rule: 'send one chunk of content at most upon NBD_CMD_FLAG_DF',
        status: 'kept',
      },
      {
        id: 'server/read/df-has-zeroes',
        keyword: 'MUST',
        rule: 'send the zeroes of holes as data upon NBD_CMD_FLAG_DF where there is data as well',
        status: 'kept',
      },
      {
        id: 'server/read/df-overflow-has-no-content',
        keyword: 'MUST NOT',
        rule: 'send content beside NBD_EOVERFLOW for a read that is too long to stay in one piece',
        status: 'kept',
      },
      {
        id: 'server/read/df-up-to-64k',
        keyword: 'MUST',
        rule: 'be able to send 65536 bytes in one piece upon NBD_CMD_FLAG_DF',
        status: 'kept',
      },
    ],
  },
]
