import type { Section } from '../requirement.js'

export const informationOptions: readonly Section[] = [
  {
    heading: 'Option types, NBD_OPT_INFO and NBD_OPT_GO',
    rules: [
      {
        id: 'client/info/name-fits',
        keyword: 'MUST',
        rule: 'announce a name that fits into the data of the option',
        status: 'kept',
      },
      {
        id: 'client/info/ask-once',
        keyword: 'MUST NOT',
        rule: 'request a type of information twice',
        status: 'kept',
      },
      {
        id: 'server/info/unknown-requests',
        keyword: 'MUST',
        rule: 'ignore requests for unknown information',
        status: 'kept',
      },
      {
        id: 'server/info/unasked-is-not-understood',
        keyword: 'MUST NOT',
        rule: 'rely on the client to use information that it did not request',
        status: 'kept',
      },
      {
        id: 'client/info/unknown-replies',
        keyword: 'MUST',
        rule: 'ignore unknown information',
        alsoUnder: ['Option reply types, NBD_REP_INFO'],
        status: 'kept',
      },
      {
        id: 'server/info/export-before-ack',
        keyword: 'MUST',
        rule: 'send NBD_INFO_EXPORT before it sends NBD_REP_ACK',
        alsoUnder: ['Option reply types, NBD_REP_INFO'],
        status: 'kept',
      },
      {
        id: 'server/forcedtls/no-information',
        keyword: 'MUST NOT',
        rule: 'reveal anything about an export except NBD_REP_ERR_TLS_REQD if it requires TLS',
        status: 'kept',
      },
      {
        id: 'server/info/block-size-reqd',
        keyword: 'MUST NOT',
        rule: 'answer with NBD_REP_ERR_BLOCK_SIZE_REQD if the client requested NBD_INFO_BLOCK_SIZE',
        status: 'kept',
      },
      {
        id: 'server/info/same-as-go',
        keyword: 'MUST',
        rule: 'answer NBD_OPT_GO like the NBD_OPT_INFO with the same data directly before it',
        status: 'kept',
      },
      {
        id: 'server/go/no-zeroes',
        keyword: 'MUST NOT',
        rule: 'send padding after the NBD_REP_ACK to NBD_OPT_GO, with or without NO_ZEROES',
        status: 'kept',
      },
      {
        id: 'client/go/nothing-after',
        keyword: 'MUST NOT',
        rule: 'send another option after NBD_OPT_GO unless it was rejected',
        status: 'kept',
      },
    ],
  },
]
