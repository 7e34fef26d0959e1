import type { Section } from '../requirement.js'

export const sizeConstraints: readonly Section[] = [
  {
    heading: 'Size constraints',
    rules: [
      {
        id: 'client/size-constraints/prefer-go',
        keyword: 'MUST',
        rule: 'use NBD_OPT_GO if it can obey size constraints, and NBD_OPT_EXPORT_NAME only if the server lacks that',
        status: 'kept',
      },
      {
        id: 'server/size-constraints/advertise',
        keyword: 'MUST',
        rule: 'advertise constraints other than the defaults in its answer to NBD_OPT_INFO and NBD_OPT_GO',
        status: 'kept',
        unless: '`features.infoBlockSize` is off',
      },
      {
        id: 'client/size-constraints/obey',
        keyword: 'MUST',
        rule: 'obey the constraints that it receives after a request for NBD_INFO_BLOCK_SIZE in NBD_OPT_GO',
        status: 'kept',
        unless: 'the caller disables `strict.align` or `strict.payload`',
      },
      {
        id: 'server/size-constraints/refuse-cleanly',
        keyword: 'MUST',
        rule: 'reject requests outside of its constraints with an error and without damage, if it accepts clients that did not request them',
        status: 'kept',
      },
      {
        id: 'server/size-constraints/minimum-is-a-power-of-2',
        keyword: 'MUST',
        rule: 'advertise a power of 2 as the minimum block size',
        status: 'kept',
      },
      {
        id: 'server/size-constraints/minimum-at-most-64k',
        keyword: 'MUST NOT',
        rule: 'advertise a minimum block size above 65536',
        status: 'kept',
      },
      {
        id: 'server/size-constraints/preferred',
        keyword: 'MUST',
        rule: 'advertise as the preferred block size a power of 2 that is neither below 512 nor below the minimum',
        status: 'kept',
      },
      {
        id: 'server/size-constraints/maximum',
        keyword: 'MUST',
        rule: 'advertise a maximum payload that is not below the preferred block size',
        status: 'kept',
      },
      {
        id: 'client/size-constraints/payload',
        keyword: 'MUST NOT',
        rule: 'write more than the maximum payload, nor read more with simple replies',
        status: 'kept',
        unless: 'the caller disables `strict.payload`',
      },
      {
        id: 'server/size-constraints/rules-of-the-command',
        keyword: 'MUST',
        rule: 'follow the rules of a command for its payload, even if chunks may exceed the maximum by their overhead',
        status: 'kept',
      },
      {
        id: 'client/size-constraints/aligned',
        keyword: 'MUST',
        rule: 'use offsets and lengths that are multiples of the minimum block size',
        status: 'kept',
        unless: 'the caller disables `strict.align`',
      },
      {
        id: 'client/size-constraints/within-the-export',
        keyword: 'MUST NOT',
        rule: 'exceed the end of the export',
        status: 'kept',
        unless: 'the caller disables `strict.bounds`',
      },
    ],
  },
]
