import { describe, it } from '@jest/globals'
import { describeTransport } from '@nbdjs/conformance'
import { command } from '@nbdjs/transport-process'
import { relayed } from './relayed.js'

describeTransport(
  'command',
  {
    listen: () => relayed('command', command),
    refused: async () => command(['nbdjs-no-such-program']),
  },
  { describe, it },
)
