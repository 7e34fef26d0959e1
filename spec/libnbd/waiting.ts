import type { Section } from './line.js'

export const waiting: Section = {
  heading: 'Waiting',
  lines: [
    {
      names: [
        'nbd_poll',
        'nbd_poll2',
        'nbd_aio_get_fd',
        'nbd_aio_get_direction',
        'nbd_aio_notify_read',
        'nbd_aio_notify_write',
      ],
      none: 'The event loop waits for the socket.',
    },
    {
      names: ['nbd_aio_command_completed', 'nbd_aio_peek_command_completed'],
      none: 'The promise of the command settles once. There are no cookies.',
    },
    { names: ['nbd_aio_in_flight'], ours: ['handle.inFlight'] },
    {
      names: [
        'nbd_aio_is_created',
        'nbd_aio_is_connecting',
        'nbd_aio_is_negotiating',
        'nbd_aio_is_ready',
        'nbd_aio_is_processing',
        'nbd_aio_is_closed',
        'nbd_aio_is_dead',
        'nbd_connection_state',
      ],
      ours: ['handle.state', "handle.on('state', listener)"],
      note: 'the same states, except "processing": a handle that sends or receives is `ready`',
    },
  ],
}
