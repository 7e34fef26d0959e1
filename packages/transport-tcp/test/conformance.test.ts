import net from 'node:net'
import { describe, it } from '@jest/globals'
import { describeTransport, peerServerOptions, serverListener, type TransportSetup } from '@nbdjs/conformance'
import { tcp } from '@nbdjs/transport-tcp'
import { deadPort, hasIpv6, listening, silentPort } from './loopback.js'

const setupOf = (host: string): TransportSetup => ({
  listen: async () => {
    const server = net.createServer(peerServerOptions)
    return serverListener(server, tcp(host, await listening(server, host)))
  },
  refused: async () => tcp(host, deadPort),
})

const silent = async () => {
  const { port, close } = await silentPort()
  return { transport: tcp('127.0.0.1', port), close }
}

describeTransport('tcp over IPv4', { ...setupOf('127.0.0.1'), silent }, { describe, it })

if (hasIpv6) {
  describeTransport('tcp over IPv6', setupOf('::1'), { describe, it })
} else {
  it.skip('tcp over IPv6: no ::1 here; sysctl -w net.ipv6.conf.lo.disable_ipv6=0 brings it', () => {})
}
