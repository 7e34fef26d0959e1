import { Socket } from 'node:net'
import { describe, it } from '@jest/globals'
import { describeConnection, socketPeer } from '@nbdjs/conformance'
import { fd } from '@nbdjs/transport-process'
import { socketPair } from './descriptors.js'

describeConnection(
  'fd',
  {
    link: async () => {
      const [ours, theirs] = socketPair()
      const connection = await fd(ours).dial({ signal: new AbortController().signal })
      const far = new Socket({ fd: theirs, readable: true, writable: true, allowHalfOpen: true })
      far.pause()
      return { connection, peer: socketPeer(far) }
    },
  },
  { describe, it },
)
