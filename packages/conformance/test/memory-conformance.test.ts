import { describe, it } from '@jest/globals'
import { connectionPeer, describeConnection, describeTransport } from '@nbdjs/conformance'
import { memoryPair } from '@nbdjs/core/memory'
import { memorySetup } from './memory-setup.js'

describeTransport('memory', memorySetup(), { describe, it })

describeConnection(
  'memoryPair, the other end',
  {
    link: async () => {
      const [near, far] = memoryPair()
      return { connection: far, peer: connectionPeer(near) }
    },
  },
  { describe, it },
)

describeConnection(
  'memoryPair with a mark of 1 byte',
  {
    link: async () => {
      const [connection, far] = memoryPair({ highWaterMark: 1 })
      return { connection, peer: connectionPeer(far) }
    },
  },
  { describe, it },
)
