import type { Section } from './line.js'

export const settings: Section = {
  heading: 'Settings',
  lines: [
    {
      names: ['nbd_set_export_name', 'nbd_get_export_name'],
      ours: ['new Handle({ exportName })', 'handle.setExportName(exportName)', 'handle.settings.exportName'],
    },
    {
      names: ['nbd_set_opt_mode', 'nbd_get_opt_mode'],
      ours: ['await negotiate(transport, options)', 'await handle.negotiate(transport)'],
    },
    {
      names: ['nbd_set_full_info', 'nbd_get_full_info'],
      ours: ['new Handle({ fullInfo })', 'handle.setFullInfo(fullInfo)', 'handle.settings.fullInfo'],
    },
    {
      names: ['nbd_set_request_block_size', 'nbd_get_request_block_size'],
      ours: [
        'new Handle({ requestBlockSize })',
        'handle.setRequestBlockSize(requestBlockSize)',
        'handle.settings.requestBlockSize',
      ],
    },
    {
      names: ['nbd_set_request_structured_replies', 'nbd_get_request_structured_replies'],
      ours: ['new Handle({ requestStructuredReplies })', 'handle.settings.requestStructuredReplies'],
    },
    {
      names: ['nbd_set_request_extended_headers', 'nbd_get_request_extended_headers'],
      ours: ['new Handle({ requestExtendedHeaders })', 'handle.settings.requestExtendedHeaders'],
    },
    {
      names: [
        'nbd_add_meta_context',
        'nbd_clear_meta_contexts',
        'nbd_get_nr_meta_contexts',
        'nbd_get_meta_context',
      ],
      ours: [
        'new Handle({ metaContexts })',
        'handle.addMetaContext(query)',
        'handle.clearMetaContexts()',
        'handle.settings.metaContexts',
      ],
      note: 'a context that is named exactly must be provided, unless `requireMetaContexts` is false; `info.missingMetaContexts` lists what selected nothing',
    },
    {
      names: ['nbd_set_request_meta_context', 'nbd_get_request_meta_context'],
      ours: [
        'new Handle({ requestMetaContext })',
        'handle.setRequestMetaContext(requestMetaContext)',
        'handle.settings.requestMetaContext',
      ],
    },
    {
      names: ['nbd_set_handshake_flags', 'nbd_get_handshake_flags'],
      ours: ['new Handle({ handshakeFlags })', 'handle.session.handshakeFlags'],
      note: 'the negotiated flags; `settings` has the requested ones',
    },
    {
      names: ['nbd_set_strict_mode', 'nbd_get_strict_mode'],
      ours: ['new Handle({ strict })', 'handle.settings.strict'],
      note: 'names instead of a mask, fixed for the life of the handle',
    },
    {
      names: ['nbd_set_pread_initialize', 'nbd_get_pread_initialize'],
      none: 'The result of `pread` has only received bytes, and `preadInto` writes only received bytes.',
    },
  ],
}
