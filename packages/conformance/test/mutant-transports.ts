import type { Connection, Transport, UriAddress } from '@nbdjs/core'
import { leakDescriptor, leakTimer } from './leaks.js'
import type { Alterations } from './memory-setup.js'

/** A transport with one defect. */
export interface MutantTransport extends Alterations {
  /** The defect. */
  readonly defect: string
  /** The start of the name of the scenario that must catch it. */
  readonly scenario: string
  /** The message of the suite. */
  readonly message: RegExp
}

const unaborted = new AbortController().signal

export const mutantTransports: readonly MutantTransport[] = [
  {
    defect: 'has control characters in its address',
    scenario: 'address: printable',
    message: /transport\.address: expected text without control characters, received "memory:\\u0007"/,
    transport: (inner) => ({ ...inner, address: 'memory:\x07' }),
  },
  {
    defect: 'has another address after a dial',
    scenario: 'address: printable',
    message: /transport\.address after a dial: expected "memory:0", received "memory:1"/,
    transport: (inner) => {
      let dials = 0
      const dial: Transport['dial'] = (options) => {
        dials++
        return inner.dial(options)
      }
      return {
        get address() {
          return `memory:${dials}`
        },
        dial,
      }
    },
  },
  {
    defect: 'has a uri that is no valid address of a URI',
    scenario: 'uri:',
    message:
      /transport\.uri: not a valid address of a URI: formatUri: .*host: expected .*, received "\[::1\]"/,
    transport: (inner) => ({ ...inner, uri: { transport: 'tcp', host: '[::1]', port: 1 } }),
  },
  {
    defect: 'has a uri without its port',
    scenario: 'uri:',
    message: /uri\.port after formatUri\(\) and parseUri\(\): expected undefined, received 10809/,
    transport: (inner) => ({ ...inner, uri: { transport: 'tcp', host: 'here' } as UriAddress }),
  },
  {
    defect: 'has a uri with a field that is not part of an address',
    scenario: 'uri:',
    message: /uri\.exportName after formatUri\(\) and parseUri\(\): expected "disk", received undefined/,
    transport: (inner) => {
      const uri = { transport: 'unix', socketPath: '/s', exportName: 'disk' } as const
      return { ...inner, uri }
    },
  },
  {
    defect: 'has another uri after a dial',
    scenario: 'uri:',
    message: /transport\.uri after a dial: expected "nbd\+vsock:\/\/2:7\/", received "nbd\+vsock:\/\/3:7\/"/,
    transport: (inner) => {
      let cid = 2
      const dial: Transport['dial'] = (options) => {
        cid++
        return inner.dial(options)
      }
      return {
        ...inner,
        get uri(): UriAddress {
          return { transport: 'vsock', cid, port: 7 }
        },
        dial,
      }
    },
  },
  {
    defect: 'has a uri only after a dial',
    scenario: 'uri:',
    message: /transport\.uri after a dial: expected undefined, received "nbd\+unix:\/\/\/\?socket=\/s"/,
    transport: (inner) => {
      let uri: UriAddress | undefined
      const dial: Transport['dial'] = (options) => {
        uri = { transport: 'unix', socketPath: '/s' }
        return inner.dial(options)
      }
      return {
        ...inner,
        get uri(): UriAddress | undefined {
          return uri
        },
        dial,
      }
    },
  },
  {
    defect: 'rejects a refused dial with an error of another class',
    scenario: 'dial: if refused, it rejects',
    message: /the error of the refused dial: expected a NbdTransportError, received Error "no"/,
    refused: (inner) => ({ ...inner, dial: () => Promise.reject(new Error('no')) }),
  },
  {
    defect: 'rejects a refused dial with another address',
    scenario: 'dial: if refused, it rejects',
    message: /error\.address: expected "memory:here", received "in-process:"/,
    refused: (inner) => ({ ...inner, address: 'memory:here' }),
  },
  {
    defect: 'resolves a refused dial',
    scenario: 'dial: if refused, it rejects',
    message: /the refused dial resolved, expected it to reject/,
    refused: (inner) => ({ ...inner, dial: async () => ({ destroy: () => {} }) as Connection }),
  },
  {
    defect: 'ignores a signal that is aborted before the dial',
    scenario: 'dial: if aborted before',
    message: /the aborted dial resolved, expected it to reject/,
    transport: (inner) => ({ ...inner, dial: () => inner.dial({ signal: unaborted }) }),
  },
  {
    defect: 'rejects with another error if aborted before the dial',
    scenario: 'dial: if aborted before',
    message:
      /the error of the aborted dial: expected Error "aborted by the suite", received Error "aborted by me"/,
    transport: (inner) => ({
      ...inner,
      dial: (options) =>
        inner.dial(options).catch(() => {
          throw new Error('aborted by me')
        }),
    }),
  },
  {
    defect: 'rejects with another error if aborted during the dial',
    scenario: 'dial: if aborted meanwhile',
    message:
      /the error of the aborted dial: expected Error "aborted by the suite", received Error "aborted by me"/,
    transport: (inner) => ({
      ...inner,
      dial: async ({ signal }) => {
        const connection = await inner.dial({ signal })
        if (!signal.aborted) return connection
        connection.destroy()
        throw new Error('aborted by me')
      },
    }),
  },
  {
    defect: 'leaves a descriptor open if aborted during the dial',
    scenario: 'dial: if aborted meanwhile',
    message: /left open: \d+ descriptors \(\d+ before\)/,
    transport: (inner) => ({
      ...inner,
      dial: async ({ signal }) => {
        const connection = await inner.dial({ signal })
        if (signal.aborted) leakDescriptor()
        return connection
      },
    }),
  },
  {
    defect: 'ignores the signal',
    scenario: 'dial: if unanswered',
    message: /hangs: no progress for 200 ms, waiting for the aborted dial to reject/,
    silent: (inner) => ({ ...inner, dial: () => inner.dial({ signal: unaborted }) }),
  },
  {
    defect: 'leaves a timer if aborted',
    scenario: 'dial: if unanswered',
    message: /left open: \d+ Timeout \(\d+ before\)/,
    silent: (inner) => ({
      ...inner,
      dial: async (options) => {
        leakTimer()
        return inner.dial(options)
      },
    }),
  },
  {
    defect: 'leaves a descriptor open if refused',
    scenario: 'dial: if refused, it leaves nothing open',
    message: /left open: \d+ descriptors \(\d+ before\)/,
    refused: (inner) => ({
      ...inner,
      dial: (options) => {
        leakDescriptor()
        return inner.dial(options)
      },
    }),
  },
  {
    defect: 'leaves a listener on the signal if refused',
    scenario: 'dial: if refused, it leaves nothing open',
    message: /listeners left on the signal: expected 0, received 10$/,
    refused: (inner) => ({
      ...inner,
      dial: (options) => {
        options.signal.addEventListener('abort', () => {})
        return inner.dial(options)
      },
    }),
  },
  {
    defect: 'leaves a listener on the signal after the dial',
    scenario: 'dial: once resolved',
    message: /listeners left on the signal: expected 0, received [1-9]/,
    transport: (inner) => ({
      ...inner,
      dial: (options) => {
        options.signal.onabort = () => {}
        return inner.dial(options)
      },
    }),
  },
  {
    defect: 'destroys the connection if the signal is aborted after the dial',
    scenario: 'dial: once resolved',
    message: /hangs: no progress for 200 ms, waiting for 100 bytes at the peer|destroyed the connection/,
    transport: (inner) => ({
      ...inner,
      dial: async ({ signal }) => {
        const connection = await inner.dial({ signal })
        const { start } = connection
        connection.start = (receiver) => {
          if (signal.aborted) connection.destroy(signal.reason)
          start.call(connection, receiver)
        }
        return connection
      },
    }),
  },
  {
    defect: 'returns the same connection twice',
    scenario: 'dial: two connections',
    message: /start\(\) was called twice/,
    transport: (inner) => {
      let first: Promise<Connection> | undefined
      const dial: Transport['dial'] = (options) => {
        const next = inner.dial(options)
        first ??= next
        return first
      }
      return { ...inner, dial }
    },
  },
]
