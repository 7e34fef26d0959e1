import type { Section } from '../requirement.js'

export const optionReplies: readonly Section[] = [
  {
    heading: 'Option reply types, NBD_REP_SERVER',
    rules: [
      {
        id: 'server/rep-server/name-fits',
        keyword: 'MUST',
        rule: 'announce a name that fits into the data of the reply',
        status: 'kept',
      },
    ],
  },
  {
    heading: 'Option reply types, NBD_REP_INFO',
    rules: [
      {
        id: 'client/rep-info/any-order',
        keyword: 'MUST NOT',
        rule: 'rely on the order of the information',
        status: 'kept',
      },
      {
        id: 'server/rep-info/export-length',
        keyword: 'MUST',
        rule: 'send NBD_INFO_EXPORT with 12 bytes',
        status: 'kept',
      },
      {
        id: 'server/rep-info/name-length',
        keyword: 'MUST',
        rule: 'send NBD_INFO_NAME with 2 bytes or more',
        status: 'kept',
      },
      {
        id: 'server/rep-info/description-length',
        keyword: 'MUST',
        rule: 'send NBD_INFO_DESCRIPTION with 2 bytes or more',
        status: 'kept',
      },
      {
        id: 'server/rep-info/block-size-if-asked',
        keyword: 'MUST',
        rule: 'send NBD_INFO_BLOCK_SIZE if it is requested and the constraints are not the defaults',
        status: 'kept',
        unless: '`features.infoBlockSize` is off',
      },
      {
        id: 'server/rep-info/block-size-length',
        keyword: 'MUST',
        rule: 'send NBD_INFO_BLOCK_SIZE with 14 bytes',
        status: 'kept',
      },
    ],
  },
  {
    heading: 'Option reply types, NBD_REP_META_CONTEXT',
    rules: [
      {
        id: 'server/rep-meta-context/name-is-utf-8',
        keyword: 'MUST',
        rule: 'send names that are UTF-8',
        status: 'kept',
      },
    ],
  },
]
