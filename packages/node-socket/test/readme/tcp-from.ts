import net from 'node:net'
import type { Transport } from '@nbdjs/core'
import { dialSocket } from '@nbdjs/node-socket'

/** TCP that leaves this machine from one of its own addresses. */
export function tcpFrom(localAddress: string, host: string, port: number): Transport {
  const address = `tcp://${host}:${port}`
  return {
    address,
    dial: ({ signal }) =>
      dialSocket({
        address,
        signal,
        create: (onread) => net.connect({ host, port, localAddress, allowHalfOpen: true, onread }),
      }),
  }
}
