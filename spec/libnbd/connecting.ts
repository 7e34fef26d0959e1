import type { Section } from './line.js'

export const connecting: Section = {
  heading: 'Connecting',
  lines: [
    { names: ['nbd_connect_tcp', 'nbd_aio_connect_tcp'], ours: ['handle.connect(tcp(host, port))'] },
    {
      names: ['nbd_connect_unix', 'nbd_aio_connect_unix'],
      ours: ['handle.connect(unix(path))'],
      note: 'abstract sockets too, with a path that begins with NUL',
    },
    {
      names: ['nbd_connect_vsock', 'nbd_aio_connect_vsock'],
      ours: ['handle.connect(vsock(cid, port))'],
      note: '`hybridVsock(path, port)` for the unix socket of a virtual machine monitor',
    },
    { names: ['nbd_supports_vsock'], ours: ['supportsVsock()'] },
    {
      names: ['nbd_aio_connect'],
      ours: ['handle.connect(transport)'],
      note: 'a transport instead of a `sockaddr`, also your own',
    },
    {
      names: ['nbd_connect_uri', 'nbd_aio_connect_uri'],
      ours: ['connectUri(uri, { transports: { tcp, unix, vsock } })'],
      note: 'the transports are passed as an option',
    },
    {
      names: ['nbd_set_uri_allow_transports', 'nbd_set_uri_allow_tls', 'nbd_set_uri_allow_local_file'],
      ours: [
        "connectUri(uri, { transports, allow: { transports: ['unix'], tls: 'require', localFiles: true } })",
      ],
    },
    { names: ['nbd_supports_uri'], none: 'URIs are always supported.' },
    { names: ['nbd_is_uri'], ours: ['isUri(text)'] },
    { names: ['nbd_get_uri'], ours: ['handle.uri'], note: 'undefined if no URI leads to the server' },
    {
      names: ['nbd_connect_command', 'nbd_aio_connect_command'],
      ours: ['handle.connect(command(argv))'],
      note: 'errors name ENOENT, the exit code or the signal, and the error output',
    },
    {
      names: ['nbd_connect_systemd_socket_activation', 'nbd_aio_connect_systemd_socket_activation'],
      ours: ['handle.connect(socketActivation(argv))'],
      note: 'the path of the socket is removed once connected',
    },
    {
      names: ['nbd_set_socket_activation_name'],
      ours: ['socketActivation(argv, { name })'],
      note: 'not set by default; in libnbd it is `unknown`',
    },
    { names: ['nbd_get_socket_activation_name'], none: 'It is the value that you passed.' },
    {
      names: ['nbd_connect_socket', 'nbd_aio_connect_socket'],
      ours: ['handle.connect(fd(n))'],
      note: 'owned once the dial succeeds; can be dialled once',
    },
    {
      names: ['nbd_get_subprocess_pid', 'nbd_kill_subprocess'],
      ours: ['command(argv, { onSpawn })', 'child.pid', "child.kill('SIGTERM')"],
      note: '`onSpawn` receives the child process',
    },
  ],
}
