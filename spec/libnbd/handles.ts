import type { Section } from './line.js'

export const handles: Section = {
  heading: 'Handles',
  lines: [
    { names: ['nbd_create'], ours: ['new Handle(options)', 'await connect(transport, options)'] },
    {
      names: ['nbd_close'],
      ours: ['handle.destroy()'],
      note: 'drops the connection; memory is collected. `await using` shuts down in order',
    },
    {
      names: ['nbd_set_handle_name', 'nbd_get_handle_name'],
      ours: ['new Handle({ name })', 'handle.name'],
      note: '`nbd1`, `nbd2` ... by default',
    },
    {
      names: ['nbd_get_error', 'nbd_get_errno'],
      ours: ['error.message', 'error.errno'],
      note: 'properties of the `NbdError` that a promise rejects with; `errno` is a name, such as `EINVAL`',
    },
    {
      names: ['nbd_set_debug', 'nbd_get_debug', 'nbd_set_debug_callback', 'nbd_clear_debug_callback'],
      ours: [
        "handle.on('debug', listener)",
        "handle.listenerCount('debug')",
        "handle.off('debug', listener)",
      ],
      note: 'a line for each frame, without payloads, while there is a listener; `LIBNBD_DEBUG` has no effect',
    },
    {
      names: ['nbd_set_private_data', 'nbd_get_private_data'],
      none: 'Use a property of your own, or a WeakMap.',
    },
    {
      names: ['nbd_get_package_name', 'nbd_get_version'],
      ours: ["import('@nbdjs/core/package.json', { with: { type: 'json' } })"],
      note: 'its `name` and `version`',
    },
  ],
}
