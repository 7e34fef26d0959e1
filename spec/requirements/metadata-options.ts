import type { Section } from '../requirement.js'

export const metadataOptions: readonly Section[] = [
  {
    heading: 'Option types, NBD_OPT_LIST_META_CONTEXT',
    rules: [
      {
        id: 'client/meta-context/query-names-a-namespace',
        keyword: 'MUST',
        rule: 'begin each query with a namespace and a colon',
        alsoUnder: ['Option types, NBD_OPT_SET_META_CONTEXT'],
        status: 'kept',
      },
      {
        id: 'server/list-meta-context/malformed',
        keyword: 'MUST',
        rule: 'answer malformed data with NBD_REP_ERR_INVALID',
        status: 'kept',
      },
      {
        id: 'server/list-meta-context/unknown-namespace',
        keyword: 'MUST',
        rule: 'ignore queries for unknown namespaces',
        status: 'kept',
      },
      {
        id: 'server/list-meta-context/nothing-found',
        keyword: 'MUST',
        rule: 'answer only with NBD_REP_ACK if no query matches',
        status: 'kept',
      },
      {
        id: 'server/list-meta-context/form-of-the-answer',
        keyword: 'MUST',
        rule: 'send an NBD_REP_META_CONTEXT for each context, then NBD_REP_ACK or an error',
        status: 'kept',
      },
      {
        id: 'client/list-meta-context/error-voids-the-list',
        keyword: 'MUST',
        rule: 'discard the contexts before an error',
        status: 'kept',
      },
      {
        id: 'server/list-meta-context/no-query-lists-all',
        keyword: 'MUST',
        rule: 'list all contexts that the export has if there is no query',
        status: 'kept',
      },
      {
        id: 'server/list-meta-context/what-matches',
        keyword: 'MUST',
        rule: 'list the contexts of the export that match a query, each of which can be set',
        status: 'kept',
      },
      {
        id: 'server/list-meta-context/name-with-namespace',
        keyword: 'MUST',
        rule: 'begin each name with its namespace and a colon, and follow the rules for strings',
        status: 'kept',
      },
      {
        id: 'client/list-meta-context/ignore-the-id',
        keyword: 'MUST',
        rule: 'ignore the context ID in the answer',
        status: 'kept',
      },
    ],
  },
  {
    heading: 'Option types, NBD_OPT_SET_META_CONTEXT',
    rules: [
      {
        id: 'client/set-meta-context/void-under-tls',
        keyword: 'MUST NOT',
        rule: 'request block status if its last selection of contexts was before TLS',
        status: 'kept',
      },
      {
        id: 'server/set-meta-context/no-query-selects-none',
        keyword: 'MUST',
        rule: 'select no context if there is no query',
        status: 'kept',
      },
      {
        id: 'server/set-meta-context/form-of-the-answer',
        keyword: 'MUST',
        rule: 'send an NBD_REP_META_CONTEXT with a unique id for each selected context, then NBD_REP_ACK, unless there are too many',
        status: 'kept',
      },
      {
        id: 'client/set-meta-context/opaque-id',
        keyword: 'MUST',
        rule: 'give no meaning to a context id, and not keep it for another connection',
        status: 'kept',
      },
    ],
  },
]
