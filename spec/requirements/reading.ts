import type { Section, Standing } from '../requirement.js'

const neverLate: Standing = {
  status: 'not-applicable',
  reason: 'A read is answered once all of its data is available: nothing can fail after the first byte.',
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
        rule: 'disconnect at once if it fails after a simple reply without an error',
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
        rule: 'send at least one byte in each chunk of content',
        status: 'kept',
      },
      {
        id: 'client/read/reassemble',
        keyword: 'MUST',
        rule: 'assemble chunks of content in any order',
        status: 'kept',
      },
      {
        id: 'server/read/split-huge-data',
        keyword: 'MUST',
        rule: 'split data of more than 2^32 - 9 bytes, because the length of a chunk has 32 bits, or reject the read',
        status: 'kept',
      },
      {
        id: 'server/read/all-of-it',
        keyword: 'MUST',
        rule: 'send content for the whole request, unless it fails',
        status: 'kept',
      },
      {
        id: 'server/read/complete-the-chunk',
        keyword: 'MUST',
        rule: 'complete a chunk that it has begun, with padding for data that it could not read',
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
        rule: 'send the content first if content and error concern the same range',
        ...neverLate,
      },
      {
        id: 'server/read/df-is-one-chunk',
        keyword: 'MUST',
        rule: 'send at most one chunk of content with NBD_CMD_FLAG_DF',
        status: 'kept',
      },
      {
        id: 'server/read/df-has-zeroes',
        keyword: 'MUST',
        rule: 'send the zeroes of holes as data with NBD_CMD_FLAG_DF if there is data too',
        status: 'kept',
      },
      {
        id: 'server/read/df-overflow-has-no-content',
        keyword: 'MUST NOT',
        rule: 'send content with NBD_EOVERFLOW for a read that is too long for one chunk',
        status: 'kept',
      },
      {
        id: 'server/read/df-up-to-64k',
        keyword: 'MUST',
        rule: 'be able to send 65536 bytes in one chunk with NBD_CMD_FLAG_DF',
        status: 'kept',
      },
    ],
  },
]
