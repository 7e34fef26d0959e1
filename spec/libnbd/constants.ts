import type { Section } from './line.js'

/** The constants of libnbd 1.22 that a caller passes or gets. */
export const constants: Section<`LIBNBD_${string}`> = {
  heading: 'Constants',
  lines: [
    { names: ['LIBNBD_CMD_FLAG_FUA'], ours: ['handle.pwrite(data, offset, { fua: true })'] },
    {
      names: ['LIBNBD_CMD_FLAG_NO_HOLE', 'LIBNBD_CMD_FLAG_FAST_ZERO'],
      ours: ['handle.zero(length, offset, { noHole: true, fastZero: true })'],
    },
    {
      names: ['LIBNBD_CMD_FLAG_DF'],
      ours: ['handle.preadStructured(buffer, offset, onChunk, { df: true })'],
    },
    { names: ['LIBNBD_CMD_FLAG_REQ_ONE'], ours: ['handle.blockStatus(length, offset, { reqOne: true })'] },
    {
      names: ['LIBNBD_CMD_FLAG_PAYLOAD_LEN'],
      ours: ['handle.pwrite(data, offset, { flags: CommandFlag.PayloadLen })'],
      note: 'set automatically where it is needed, unless `strict.autoFlag` is off; `flags` accepts any bits',
    },
    {
      names: [
        'LIBNBD_CMD_FLAG_MASK',
        'LIBNBD_HANDSHAKE_FLAG_MASK',
        'LIBNBD_ALLOW_TRANSPORT_MASK',
        'LIBNBD_SHUTDOWN_MASK',
      ],
      none: 'Flags have names, and an unknown name is rejected.',
    },
    { names: ['LIBNBD_SHUTDOWN_ABANDON_PENDING'], ours: ['handle.shutdown({ abandonPending: true })'] },
    {
      names: ['LIBNBD_HANDSHAKE_FLAG_FIXED_NEWSTYLE', 'LIBNBD_HANDSHAKE_FLAG_NO_ZEROES'],
      ours: ['new Handle({ handshakeFlags: { fixedNewstyle: true, noZeroes: true } })'],
    },
    {
      names: [
        'LIBNBD_STRICT_COMMANDS',
        'LIBNBD_STRICT_FLAGS',
        'LIBNBD_STRICT_BOUNDS',
        'LIBNBD_STRICT_ZERO_SIZE',
        'LIBNBD_STRICT_ALIGN',
        'LIBNBD_STRICT_PAYLOAD',
        'LIBNBD_STRICT_AUTO_FLAG',
      ],
      ours: [
        'new Handle({ strict: { commands: true, flags: true, bounds: true, zeroSize: true, align: true, payload: true, autoFlag: true } })',
      ],
    },
    { names: ['LIBNBD_STRICT_MASK'], ours: ['new Handle({ strict: true })'] },
    { names: ['LIBNBD_TLS_DISABLE'], ours: ["new Handle({ tls: 'disable' })"] },
    { names: ['LIBNBD_TLS_ALLOW'], ours: ["new Handle({ tls: 'allow', tlsProvider })"] },
    { names: ['LIBNBD_TLS_REQUIRE'], ours: ["new Handle({ tls: 'require', tlsProvider })"] },
    {
      names: ['LIBNBD_ALLOW_TRANSPORT_TCP', 'LIBNBD_ALLOW_TRANSPORT_UNIX', 'LIBNBD_ALLOW_TRANSPORT_VSOCK'],
      ours: ["connectUri(uri, { transports, allow: { transports: ['tcp', 'unix', 'vsock'] } })"],
    },
    {
      names: ['LIBNBD_ALLOW_TRANSPORT_SSH'],
      none: 'There is no transport over ssh: `parseUri` rejects its schemes.',
    },
    {
      names: ['LIBNBD_SIZE_MINIMUM', 'LIBNBD_SIZE_PREFERRED', 'LIBNBD_SIZE_MAXIMUM', 'LIBNBD_SIZE_PAYLOAD'],
      ours: ['const { minimum, preferred, maximum, payload } = handle.info.blockSize'],
    },
    {
      names: ['LIBNBD_READ_DATA', 'LIBNBD_READ_HOLE', 'LIBNBD_READ_ERROR'],
      ours: ["chunk.kind === 'data'", "chunk.kind === 'hole'", "chunk.kind === 'error'"],
    },
    {
      names: ['LIBNBD_NAMESPACE_BASE', 'LIBNBD_NAMESPACE_QEMU'],
      ours: ["handle.optListMetaContext(['base:', 'qemu:'])"],
    },
    { names: ['LIBNBD_CONTEXT_BASE_ALLOCATION'], ours: ['MetaContextName.BaseAllocation'] },
    {
      names: ['LIBNBD_CONTEXT_QEMU_DIRTY_BITMAP'],
      ours: ['MetaContextName.QemuDirtyBitmap'],
      note: 'followed by the name of the bitmap',
    },
    { names: ['LIBNBD_CONTEXT_QEMU_ALLOCATION_DEPTH'], ours: ['MetaContextName.QemuAllocationDepth'] },
    {
      names: ['LIBNBD_STATE_HOLE', 'LIBNBD_STATE_ZERO', 'LIBNBD_STATE_DIRTY'],
      ours: ['ExtentFlag.Hole', 'ExtentFlag.Zero', 'ExtentFlag.Dirty'],
      note: '`describeExtentFlags(context, flags)` returns their name',
    },
    {
      names: ['LIBNBD_AIO_DIRECTION_READ', 'LIBNBD_AIO_DIRECTION_WRITE', 'LIBNBD_AIO_DIRECTION_BOTH'],
      none: 'The event loop waits for the socket.',
    },
  ],
}
