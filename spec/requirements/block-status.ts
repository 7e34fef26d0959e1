import type { Section } from '../requirement.js'

export const blockStatus: readonly Section[] = [
  {
    heading: 'Structured reply types, NBD_REPLY_TYPE_BLOCK_STATUS',
    rules: [
      {
        id: 'server/block-status/length',
        keyword: 'MUST',
        rule: 'send it with 4 bytes and 8 more for each extent, at least one',
        status: 'kept',
      },
      {
        id: 'server/block-status/no-empty-extent',
        keyword: 'MUST',
        rule: 'return extents of at least one byte',
        status: 'kept',
      },
      {
        id: 'server/block-status/req-one-is-one',
        keyword: 'MUST',
        rule: 'return exactly one extent in each chunk with NBD_CMD_FLAG_REQ_ONE',
        status: 'kept',
      },
      {
        id: 'server/block-status/req-one-fits',
        keyword: 'MUST NOT',
        rule: 'let that extent end after the request',
        alsoUnder: ['Request types, NBD_CMD_BLOCK_STATUS'],
        status: 'kept',
      },
      {
        id: 'server/block-status/only-the-last-beyond',
        keyword: 'MUST',
        rule: 'end all extents but the last before the end of the request',
        status: 'kept',
      },
    ],
  },
  {
    heading: 'Request types, NBD_CMD_BLOCK_STATUS',
    rules: [
      {
        id: 'server/block-status/some-progress',
        keyword: 'MUST',
        rule: 'return at least one extent, even if others are expensive',
        status: 'kept',
      },
    ],
  },
]
