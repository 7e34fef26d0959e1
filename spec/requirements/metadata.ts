import type { Section } from '../requirement.js'

export const metadata: readonly Section[] = [
  {
    heading: 'Metadata querying',
    rules: [
      {
        id: 'client/metadata/select-contexts',
        keyword: 'MUST',
        rule: 'select at least one context with NBD_OPT_SET_META_CONTEXT if it will request block status',
        status: 'kept',
        unless: 'the caller disables `strict.commands`',
      },
      {
        id: 'server/metadata/one-chunk-per-context',
        keyword: 'MUST',
        rule: 'answer a successful block status request with exactly one chunk for each selected context',
        alsoUnder: [
          'Structured reply types, NBD_REPLY_TYPE_BLOCK_STATUS',
          'Request types, NBD_CMD_BLOCK_STATUS',
        ],
        status: 'kept',
      },
      {
        id: 'client/metadata/no-status-without-contexts',
        keyword: 'MUST NOT',
        rule: 'request block status unless the last selection of contexts was for the same export and selected one without an error',
        alsoUnder: ['Option types, NBD_OPT_SET_META_CONTEXT', 'Request types, NBD_CMD_BLOCK_STATUS'],
        status: 'kept',
        unless: 'the caller disables `strict.commands`',
      },
      {
        id: 'server/metadata/structured-reply',
        keyword: 'MUST',
        rule: 'answer block status requests with structured replies',
        alsoUnder: ['Request types, NBD_CMD_BLOCK_STATUS'],
        status: 'kept',
      },
      {
        id: 'client/metadata/structured-replies-first',
        keyword: 'MUST',
        rule: 'negotiate structured replies before it selects contexts',
        alsoUnder: ['Option types, NBD_OPT_SET_META_CONTEXT'],
        status: 'kept',
      },
      {
        id: 'server/metadata/name-of-two-parts',
        keyword: 'MUST',
        rule: 'name each context by a namespace, a colon and a leaf-name',
        status: 'kept',
      },
      {
        id: 'server/metadata/name-is-a-string',
        keyword: 'MUST',
        rule: 'follow the rules for strings with the whole name',
        status: 'kept',
      },
      {
        id: 'server/metadata/known-namespace',
        keyword: 'MUST',
        rule: 'use base, nbd-server, x-* or a registered namespace',
        status: 'kept',
      },
      {
        id: 'server/metadata/fits-the-flags',
        keyword: 'MUST',
        rule: 'put all information of a context into the status flags of its extents',
        status: 'kept',
      },
    ],
  },
  {
    heading: 'The base: metadata namespace',
    rules: [
      {
        id: 'server/base/wildcard-selects-nothing',
        keyword: 'MUST',
        rule: 'ignore the query `base:` in NBD_OPT_SET_META_CONTEXT',
        status: 'kept',
      },
      {
        id: 'server/base/wildcard-lists-all',
        keyword: 'MUST',
        rule: 'list every context of the namespace for the query `base:` in NBD_OPT_LIST_META_CONTEXT',
        status: 'kept',
      },
      {
        id: 'server/base/unknown-leaf-name',
        keyword: 'MUST',
        rule: 'ignore an unknown leaf-name of the namespace without an error',
        status: 'kept',
      },
    ],
  },
  {
    heading: 'base:allocation metadata context',
    rules: [
      {
        id: 'server/base-allocation/allocated-is-writable',
        keyword: 'MUST NOT',
        rule: 'fail a write with NBD_ENOSPC if it reported that there is no hole',
        status: 'kept',
      },
      {
        id: 'client/base-allocation/unknown-flags',
        keyword: 'MUST',
        rule: 'ignore unknown status flags',
        status: 'kept',
      },
    ],
  },
]
