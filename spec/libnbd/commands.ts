import type { Section } from './line.js'

export const commands: Section = {
  heading: 'Commands',
  lines: [
    {
      names: ['nbd_pread', 'nbd_aio_pread'],
      ours: ['handle.preadInto(buffer, offset)', 'handle.pread(length, offset)'],
      note: 'into your buffer or into a new one; never short',
    },
    {
      names: ['nbd_pread_structured', 'nbd_aio_pread_structured'],
      ours: ['handle.preadStructured(buffer, offset, onChunk, { df })'],
    },
    { names: ['nbd_pwrite', 'nbd_aio_pwrite'], ours: ['handle.pwrite(data, offset, { fua })'] },
    { names: ['nbd_zero', 'nbd_aio_zero'], ours: ['handle.zero(length, offset, { fua, noHole, fastZero })'] },
    { names: ['nbd_trim', 'nbd_aio_trim'], ours: ['handle.trim(length, offset, { fua })'] },
    { names: ['nbd_cache', 'nbd_aio_cache'], ours: ['handle.cache(length, offset)'] },
    { names: ['nbd_flush', 'nbd_aio_flush'], ours: ['handle.flush()'] },
    {
      names: [
        'nbd_block_status',
        'nbd_aio_block_status',
        'nbd_block_status_64',
        'nbd_aio_block_status_64',
        'nbd_block_status_filter',
        'nbd_aio_block_status_filter',
      ],
      ours: ['handle.blockStatus(length, offset, { contexts, reqOne })'],
      note: 'resolves with a Map from contexts to extents; 64 bits throughout',
    },
    {
      names: ['nbd_shutdown', 'nbd_aio_disconnect'],
      ours: ['handle.shutdown({ abandonPending })'],
      note: 'waits for the commands in flight first',
    },
  ],
}
