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
        rule: 'answer data that is malformed by NBD_REP_ERR_INVALID',
        status: 'kept',
      },
      {
        id: 'server/list-meta-context/unknown-namespace',
        keyword: 'MUST',
        rule: 'ignore queries for a namespace that it does not know',
        status: 'kept',
      },
      {
        id: 'server/list-meta-context/nothing-found',
        keyword: 'MUST',
        rule: 'answer by NBD_REP_ACK alone if no query finds anything',
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
        rule: 'forget the contexts that came before an error',
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
        rule: 'begin each name with its namespace and a colon, and keep the whole to what goes for strings',
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
        rule: 'ask for block status if it selected contexts last before TLS began',
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
        rule: 'send an NBD_REP_META_CONTEXT with an ID of its own for each selected context, then NBD_REP_ACK, unless they are too many',
        status: 'kept',
      },
      {
        id: 'client/set-meta-context/opaque-id',
        keyword: 'MUST',
        rule: 'read no meaning into a context ID, nor keep it for another connection',
        status: 'kept',
      },
    ],
  },
]
