import type { Section } from '../requirement.js'

export const sizeConstraints: readonly Section[] = [
  {
    heading: 'Size constraints',
    rules: [
      {
        id: 'client/size-constraints/prefer-go',
        keyword: 'MUST',
        rule: 'go by NBD_OPT_GO if it can obey size constraints, and by NBD_OPT_EXPORT_NAME only where the server knows no better',
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
        rule: 'obey the constraints that it gets when it asked for NBD_INFO_BLOCK_SIZE in NBD_OPT_GO',
        status: 'kept',
        unless: 'the caller switches `strict.align` or `strict.payload` off',
      },
      {
        id: 'server/size-constraints/refuse-cleanly',
        keyword: 'MUST',
        rule: 'refuse requests outside of its constraints by an error and harm no data, if it lets clients in that did not ask',
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
        rule: 'write more at once than the maximum payload, nor read more where replies are simple',
        status: 'kept',
        unless: 'the caller switches `strict.payload` off',
      },
      {
        id: 'server/size-constraints/rules-of-the-command',
        keyword: 'MUST',
        rule: 'keep what a command rules about its own payload, also where chunks may exceed the maximum by their overhead',
        status: 'kept',
      },
      {
        id: 'client/size-constraints/aligned',
        keyword: 'MUST',
        rule: 'use offsets and lengths that are multiples of the minimum block size',
        status: 'kept',
        unless: 'the caller switches `strict.align` off',
      },
      {
        id: 'client/size-constraints/within-the-export',
        keyword: 'MUST NOT',
        rule: 'reach beyond the end of the export',
        status: 'kept',
        unless: 'the caller switches `strict.bounds` off',
      },
    ],
  },
]
