import { describe, it } from '@jest/globals'
import { describeTransport } from '@nbdjs/conformance'
import { socketActivation } from '@nbdjs/transport-process'
import { relayed } from './relayed.js'

describeTransport(
  'socketActivation',
  {
    listen: () => relayed('activation', socketActivation),
    refused: async () => socketActivation(['nbdjs-no-such-program']),
  },
  { describe, it },
)
