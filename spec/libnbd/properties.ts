import type { Section } from './line.js'

export const properties: Section = {
  heading: 'Properties of the server and the export',
  lines: [
    { names: ['nbd_get_size'], ours: ['handle.info.size'], note: 'a bigint' },
    {
      names: ['nbd_get_block_size'],
      ours: [
        'handle.info.blockSize.minimum',
        'handle.info.blockSize.preferred',
        'handle.info.blockSize.maximum',
        'handle.info.blockSize.payload',
      ],
    },
    { names: ['nbd_is_read_only'], ours: ['handle.info.readOnly'] },
    { names: ['nbd_is_rotational'], ours: ['handle.info.rotational'] },
    { names: ['nbd_can_cache'], ours: ['handle.info.canCache'] },
    { names: ['nbd_can_df'], ours: ['handle.info.canDf'] },
    { names: ['nbd_can_fast_zero'], ours: ['handle.info.canFastZero'] },
    { names: ['nbd_can_flush'], ours: ['handle.info.canFlush'] },
    { names: ['nbd_can_fua'], ours: ['handle.info.canFua'] },
    { names: ['nbd_can_multi_conn'], ours: ['handle.info.canMultiConn'] },
    { names: ['nbd_can_trim'], ours: ['handle.info.canTrim'] },
    { names: ['nbd_can_zero'], ours: ['handle.info.canZero'] },
    { names: ['nbd_can_block_status_payload'], ours: ['handle.info.canBlockStatusPayload'] },
    { names: ['nbd_can_meta_context'], ours: ['handle.canMetaContext(name)', 'handle.info.metaContexts'] },
    {
      names: ['nbd_get_canonical_export_name', 'nbd_get_export_description'],
      ours: ['handle.info.canonicalName', 'handle.info.description'],
      note: 'undefined if libnbd fails',
    },
    { names: ['nbd_get_protocol'], ours: ['handle.session.protocol'] },
    { names: ['nbd_get_structured_replies_negotiated'], ours: ['handle.session.structuredReplies'] },
    { names: ['nbd_get_extended_headers_negotiated'], ours: ['handle.session.extendedHeaders'] },
    {
      names: [
        'nbd_stats_bytes_sent',
        'nbd_stats_bytes_received',
        'nbd_stats_chunks_sent',
        'nbd_stats_chunks_received',
      ],
      ours: [
        'handle.stats.bytesSent',
        'handle.stats.bytesReceived',
        'handle.stats.chunksSent',
        'handle.stats.chunksReceived',
      ],
    },
  ],
}
