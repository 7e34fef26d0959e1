import type { Section } from './line.js'

export const negotiating: Section = {
  heading: 'Negotiating',
  lines: [
    { names: ['nbd_opt_go', 'nbd_aio_opt_go'], ours: ['handle.optGo()'] },
    { names: ['nbd_opt_info', 'nbd_aio_opt_info'], ours: ['handle.optInfo()'] },
    { names: ['nbd_opt_abort', 'nbd_aio_opt_abort'], ours: ['handle.optAbort()'] },
    {
      names: ['nbd_opt_list', 'nbd_aio_opt_list'],
      ours: ['handle.optList()'],
      note: 'resolves with an array; its `omitted` counts names that are not UTF-8',
    },
    { names: ['nbd_opt_starttls', 'nbd_aio_opt_starttls'], ours: ['handle.optStartTls()'] },
    {
      names: ['nbd_opt_structured_reply', 'nbd_aio_opt_structured_reply'],
      ours: ['handle.optStructuredReply()'],
    },
    {
      names: ['nbd_opt_extended_headers', 'nbd_aio_opt_extended_headers'],
      ours: ['handle.optExtendedHeaders()'],
    },
    {
      names: [
        'nbd_opt_list_meta_context',
        'nbd_aio_opt_list_meta_context',
        'nbd_opt_list_meta_context_queries',
        'nbd_aio_opt_list_meta_context_queries',
      ],
      ours: ['handle.optListMetaContext()', 'handle.optListMetaContext(queries)'],
      note: 'resolves with the names',
    },
    {
      names: [
        'nbd_opt_set_meta_context',
        'nbd_aio_opt_set_meta_context',
        'nbd_opt_set_meta_context_queries',
        'nbd_aio_opt_set_meta_context_queries',
      ],
      ours: ['handle.optSetMetaContext()', 'handle.optSetMetaContext(queries)'],
      note: 'resolves with the names',
    },
  ],
}
