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
        rule: 'ask for one kind of information twice',
        status: 'kept',
      },
      {
        id: 'server/info/unknown-requests',
        keyword: 'MUST',
        rule: 'ignore requests for information that it does not know',
        status: 'kept',
      },
      {
        id: 'server/info/unasked-is-not-understood',
        keyword: 'MUST NOT',
        rule: 'rely on the client to heed information that it did not ask for',
        status: 'kept',
      },
      {
        id: 'client/info/unknown-replies',
        keyword: 'MUST',
        rule: 'ignore information that it does not understand',
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
        rule: 'tell anything of an export beside NBD_REP_ERR_TLS_REQD if it insists on TLS',
        status: 'kept',
      },
      {
        id: 'server/info/block-size-reqd',
        keyword: 'MUST NOT',
        rule: 'answer by NBD_REP_ERR_BLOCK_SIZE_REQD to a client that asked for NBD_INFO_BLOCK_SIZE',
        status: 'kept',
      },
      {
        id: 'server/info/same-as-go',
        keyword: 'MUST',
        rule: 'tell the same to an NBD_OPT_GO that follows at once upon an NBD_OPT_INFO with the same data',
        status: 'kept',
      },
      {
        id: 'server/go/no-zeroes',
        keyword: 'MUST NOT',
        rule: 'send padding after the NBD_REP_ACK to NBD_OPT_GO, whatever was agreed about zeroes',
        status: 'kept',
      },
      {
        id: 'client/go/nothing-after',
        keyword: 'MUST NOT',
        rule: 'send another option after NBD_OPT_GO unless it was refused',
        status: 'kept',
      },
    ],
  },
]
