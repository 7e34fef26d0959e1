import type { Connection, Transport, UriAddress } from '@nbdjs/core'
import { leakDescriptor, leakTimer } from './leaks.js'
import type { Alterations } from './memory-setup.js'

export interface BrokenTransport extends Alterations {
  /** What it does wrong. */
  readonly does: string
  /** The scenario that must catch it, by the start of its name. */
  readonly scenario: string
  /** What the suite must say. */
  readonly message: RegExp
}

const unaborted = new AbortController().signal

export const brokenTransports: readonly BrokenTransport[] = [
  {
    does: 'has control characters in its address',
    scenario: 'address: printable',
    message: /address has control characters: "memory:\\u0007"/,
    transport: (inner) => ({ ...inner, address: 'memory:\x07' }),
  },
  {
    does: 'has another address after a dial',
    scenario: 'address: printable',
    message: /address after a dial: expected "memory:0", got "memory:1"/,
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
    does: 'has a uri that no URI can say',
    scenario: 'uri:',
    message: /uri cannot be said by a URI: formatUri: uri\.host: expected .*, received "\[::1\]"/,
    transport: (inner) => ({ ...inner, uri: { transport: 'tcp', host: '[::1]', port: 1 } }),
  },
  {
    does: 'has a uri without its port',
    scenario: 'uri:',
    message: /uri\.port after formatUri\(\) and parseUri\(\): expected undefined, got 10809/,
    transport: (inner) => ({ ...inner, uri: { transport: 'tcp', host: 'here' } as UriAddress }),
  },
  {
    does: 'has a uri with more than an address',
    scenario: 'uri:',
    message: /uri\.exportName after formatUri\(\) and parseUri\(\): expected "disk", got undefined/,
    transport: (inner) => {
      const uri = { transport: 'unix', socketPath: '/s', exportName: 'disk' } as const
      return { ...inner, uri }
    },
  },
  {
    does: 'has another uri after a dial',
    scenario: 'uri:',
    message: /uri after a dial: expected "nbd\+vsock:\/\/2:7\/", got "nbd\+vsock:\/\/3:7\/"/,
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
    does: 'has a uri after a dial only',
    scenario: 'uri:',
    message: /uri after a dial: expected undefined, got "nbd\+unix:\/\/\/\?socket=\/s"/,
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
    does: 'refuses with an error of its own',
    scenario: 'dial: a refused one rejects',
    message: /the dial rejected with Error "no", expected a NbdTransportError/,
    refused: (inner) => ({ ...inner, dial: () => Promise.reject(new Error('no')) }),
  },
  {
    does: 'refuses in the name of another address',
    scenario: 'dial: a refused one rejects',
    message: /address of the error: expected "memory:here", got "memory:"/,
    refused: (inner) => ({ ...inner, address: 'memory:here' }),
  },
  {
    does: 'connects where nobody listens',
    scenario: 'dial: a refused one rejects',
    message: /refused: the dial resolved, expected it to reject/,
    refused: (inner) => ({ ...inner, dial: async () => ({ destroy: () => {} }) as Connection }),
  },
  {
    does: 'dials though it is aborted',
    scenario: 'dial: aborted before it begins',
    message: /aborted before: the dial resolved, expected it to reject/,
    transport: (inner) => ({ ...inner, dial: () => inner.dial({ signal: unaborted }) }),
  },
  {
    does: 'rejects with an error of its own when it is aborted',
    scenario: 'dial: aborted before it begins',
    message: /reason: expected Error "aborted by the suite", got Error "aborted by me"/,
    transport: (inner) => ({
      ...inner,
      dial: (options) =>
        inner.dial(options).catch(() => {
          throw new Error('aborted by me')
        }),
    }),
  },
  {
    does: 'rejects with an error of its own when it is aborted under way',
    scenario: 'dial: aborted under way',
    message: /reason: expected Error "aborted by the suite", got Error "aborted by me"/,
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
    does: 'leaves a descriptor open when it is aborted under way',
    scenario: 'dial: aborted under way',
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
    does: 'does not obey the signal',
    scenario: 'dial: never answered',
    message: /hangs: waited 500 ms for the aborted dial to reject/,
    silent: (inner) => ({ ...inner, dial: () => inner.dial({ signal: unaborted }) }),
  },
  {
    does: 'leaves a timer when it is aborted',
    scenario: 'dial: never answered',
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
    does: 'leaves a descriptor open when it is refused',
    scenario: 'dial: a refused one leaves nothing open',
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
    does: 'leaves a listener on the signal when it is refused',
    scenario: 'dial: a refused one leaves nothing open',
    message: /listeners left on the signal: expected 0, got 11$/,
    refused: (inner) => ({
      ...inner,
      dial: (options) => {
        options.signal.addEventListener('abort', () => {})
        return inner.dial(options)
      },
    }),
  },
  {
    does: 'leaves a listener on the signal once it resolved',
    scenario: 'dial: once it resolved',
    message: /listeners left on the signal: expected 0, got [1-9]/,
    transport: (inner) => ({
      ...inner,
      dial: (options) => {
        options.signal.onabort = () => {}
        return inner.dial(options)
      },
    }),
  },
  {
    does: 'destroys the connection when the signal is aborted later',
    scenario: 'dial: once it resolved',
    message: /hangs: waited 500 ms for 100 bytes at the peer|destroyed the connection/,
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
    does: 'gives the same connection twice',
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
