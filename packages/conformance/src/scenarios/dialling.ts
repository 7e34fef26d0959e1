import {
  type Connection,
  formatUri,
  NbdTransportError,
  parseUri,
  type Transport,
  type UriAddress,
  uriAddress,
} from '@nbdjs/core'
import { check, checkSame, isError, print } from '../conformance-error.js'
import { checkBytes, pattern } from '../pattern.js'
import type { Script } from '../scenario.js'
import type { TransportStage } from '../stage.js'
import { WatchedSignal } from '../watched-signal.js'

/** What became of a dial: the suite never leaves a connection behind that it did not expect. */
async function outcome(dial: Promise<Connection>): Promise<Connection | { readonly error: unknown }> {
  try {
    return await dial
  } catch (error) {
    return { error }
  }
}

async function failure(what: string, dial: Promise<Connection>): Promise<unknown> {
  const result = await outcome(dial)
  if ('error' in result) return result.error
  result.destroy()
  check(false, `${what}: the dial resolved, expected it to reject`)
}

function checkRefusal(error: unknown, transport: Transport): void {
  check(
    error instanceof NbdTransportError,
    `the dial rejected with ${print(error)}, expected a NbdTransportError`,
  )
  checkSame('operation of the error', error.operation, 'dial')
  checkSame('address of the error', error.address, transport.address)
  check(error.message.includes(transport.address), `the message does not name the address: ${error.message}`)
}

/** The address as a URI says it. */
function printUri(uri: UriAddress): string {
  try {
    return formatUri(uri)
  } catch (error) {
    check(false, `uri cannot be said by a URI: ${isError(error) ? error.message : print(error)}`)
  }
}

/** Field by field: one that is missing may be a default of the URI's, one too many is a part of other URIs. */
function checkRoundTrip(uri: UriAddress, printed: string): void {
  const returned = new Map<string, unknown>(Object.entries(uriAddress(parseUri(printed)) ?? {}))
  const given = new Map<string, unknown>(Object.entries(uri))
  for (const name of new Set([...given.keys(), ...returned.keys()])) {
    checkSame(`uri.${name} after formatUri() and parseUri()`, returned.get(name), given.get(name))
  }
}

const failedDials = 10

export const dialling: readonly Script<TransportStage>[] = [
  {
    name: 'address: printable, and the same for all dials',
    play: async (stage) => {
      const transport = await stage.transport()
      const { address } = transport
      check(typeof address === 'string' && address !== '', `address is ${print(address)}, expected some text`)
      check(!/\p{Cc}/u.test(address), `address has control characters: ${JSON.stringify(address)}`)
      await stage.link()
      checkSame('address after a dial', transport.address, address)
    },
  },
  {
    name: 'uri: formatUri() prints it, parseUri() gives it back, and it is the same for all dials',
    play: async (stage) => {
      const transport = await stage.transport()
      const { uri } = transport
      const printed = uri === undefined ? undefined : printUri(uri)
      if (uri !== undefined && printed !== undefined) checkRoundTrip(uri, printed)
      await stage.link()
      const after = transport.uri === undefined ? undefined : printUri(transport.uri)
      checkSame('uri after a dial', after, printed)
    },
  },
  {
    name: 'dial: a refused one rejects with a NbdTransportError that names the operation and the address',
    play: async (stage) => {
      const transport = await stage.setup.refused()
      const { signal } = new AbortController()
      const error = await stage.waitFor(
        'the refused dial to reject',
        failure('refused', transport.dial({ signal })),
      )
      checkRefusal(error, transport)
    },
  },
  {
    name: 'dial: aborted before it begins, it rejects with the reason of the signal',
    play: async (stage) => {
      const transport = await stage.transport()
      const reason = new Error('aborted by the suite')
      const watched = new WatchedSignal()
      watched.abort(reason)
      const dial = failure('aborted before', transport.dial({ signal: watched.signal }))
      checkSame('reason', await stage.waitFor('the aborted dial to reject', dial), reason)
      checkSame('listeners left on the signal', watched.listenerCount, 0)
    },
  },
  {
    name: 'dial: aborted under way, it rejects with the reason of the signal, unless it was faster',
    play: async (stage) => {
      // The first connection may load what stays.
      await stage.link()
      await stage.end()
      const before = stage.openResources()
      const transport = await stage.transport()
      const reason = new Error('aborted by the suite')
      for (let round = 0; round < failedDials; round++) {
        const watched = new WatchedSignal()
        const dial = outcome(transport.dial({ signal: watched.signal }))
        // Aborts one turn later each time: before the first system call, and after the last one.
        for (let turn = 0; turn < round; turn++) await Promise.resolve()
        watched.abort(reason)
        const result = await stage.waitFor('the aborted dial to settle', dial)
        if ('error' in result) checkSame('reason', result.error, reason)
        else result.destroy()
        checkSame('listeners left on the signal', watched.listenerCount, 0)
      }
      // With it go the peers that it accepted in vain.
      await stage.end()
      await stage.checkReleased(before)
    },
  },
  {
    name: 'dial: never answered, it rejects with the reason of the signal once aborted, and leaves nothing open',
    needs: 'silent',
    play: async (stage) => {
      const transport = await stage.silent()
      const before = stage.openResources()
      const reason = new Error('aborted by the suite')
      const watched = new WatchedSignal()
      let isSettled = false
      const dial = failure('never answered', transport.dial({ signal: watched.signal })).finally(() => {
        isSettled = true
      })
      dial.catch(() => {})
      await stage.grace()
      check(!isSettled, 'the dial to the silent target settled before it was aborted')
      watched.abort(reason)
      checkSame('reason', await stage.waitFor('the aborted dial to reject', dial), reason)
      checkSame('listeners left on the signal', watched.listenerCount, 0)
      await stage.checkReleased(before)
    },
  },
  {
    name: 'dial: a refused one leaves nothing open, neither a resource nor a listener on the signal',
    play: async (stage) => {
      const transport = await stage.setup.refused()
      const watched = new WatchedSignal()
      const { signal } = watched
      // The first dial may load what stays.
      await stage.waitFor('the refused dial to reject', failure('refused', transport.dial({ signal })))
      const before = stage.openResources()
      for (let round = 0; round < failedDials; round++) {
        await stage.waitFor('the refused dial to reject', failure('refused', transport.dial({ signal })))
      }
      checkSame('listeners left on the signal', watched.listenerCount, 0)
      await stage.checkReleased(before)
    },
  },
  {
    name: 'dial: once it resolved, the signal has no listener and no effect',
    play: async (stage) => {
      const watched = new WatchedSignal()
      const { connection, peer, reader } = await stage.dial(watched.signal)
      checkSame('listeners left on the signal', watched.listenerCount, 0)
      watched.abort(new Error('aborted by the suite'))
      const recorder = stage.start(connection)
      await stage.grace()
      connection.write([pattern(100, 1)])
      checkBytes(
        'at the peer',
        await stage.waitFor('100 bytes at the peer', reader.take(100)),
        pattern(100, 1),
      )
      await stage.waitFor('the write of the peer', peer.write(pattern(100, 2)))
      await stage.waitFor(
        '100 bytes',
        recorder.until(() => recorder.receivedLength === 100),
      )
      checkBytes('received', recorder.bytes, pattern(100, 2))
      check(!recorder.isClosed, 'the connection was closed by the late abort')
    },
  },
  {
    name: 'dial: two connections from one transport, each with its own bytes',
    play: async (stage) => {
      const length = 100_000
      const links = [await stage.startedLink(), await stage.startedLink()]
      await Promise.all(
        links.map(async ({ connection, peer, reader, recorder }, index) => {
          const [sent, answer] = [pattern(length, index), pattern(length, 10 + index)]
          connection.write([sent])
          const [taken] = await Promise.all([reader.take(length), peer.write(answer)])
          checkBytes(`at peer ${index}`, taken, sent)
          await recorder.until(() => recorder.receivedLength >= length)
          checkBytes(`on connection ${index}`, recorder.bytes, answer)
        }),
      )
      const [first, second] = links
      first?.recorder.destroy(first.connection)
      await first?.recorder.untilClosed()
      await stage.grace()
      check(
        second?.recorder.isClosed === false,
        'the second connection was closed by the destroy() of the first',
      )
    },
  },
]
