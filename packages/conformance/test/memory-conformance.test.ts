import { describe, it } from '@jest/globals'
import { connectionPeer, describeConnection, describeTransport } from '@nbdjs/conformance'
import { inProcessPair } from '@nbdjs/core/in-process'
import { memorySetup } from './memory-setup.js'

describeTransport('memory', memorySetup(), { describe, it })

describeConnection(
  'inProcessPair, the other end',
  {
    link: async () => {
      const [near, far] = inProcessPair()
      return { connection: far, peer: connectionPeer(near) }
    },
  },
  { describe, it },
)
