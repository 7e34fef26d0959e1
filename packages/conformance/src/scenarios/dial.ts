import {
  type Connection,
  formatUri,
  NbdTransportError,
  parseUri,
  type Transport,
  toUriAddress,
  type UriAddress,
} from '@nbdjs/core'
import { pattern } from '../bytes.js'
import { check, checkBytes, checkSame, isError, print } from '../checks.js'
import type { TransportFixture } from '../fixture.js'
import { CountedSignal } from '../leaks.js'
import type { ScenarioBody } from '../scenario.js'

const failedDials = 9

/** The connection or the error of a dial. */
async function outcome(dial: Promise<Connection>): Promise<Connection | { readonly error: unknown }> {
  try {
    return await dial
  } catch (error) {
    return { error }
  }
}

/** The error of a dial that must reject. A connection is destroyed. */
async function dialError(kind: string, dial: Promise<Connection>): Promise<unknown> {
  const result = await outcome(dial)
  if ('error' in result) return result.error
  result.destroy()
  check(false, `the ${kind} dial resolved, expected it to reject`)
}

function checkRefusal(error: unknown, transport: Transport): void {
  check(
    error instanceof NbdTransportError,
    `the error of the refused dial: expected a NbdTransportError, received ${print(error)}`,
  )
  checkSame('error.operation', error.operation, 'dial')
  checkSame('error.address', error.address, transport.address)
  check(
    error.message.includes(transport.address),
    `error.message: expected the address ${print(transport.address)} in it, received ${print(error.message)}`,
  )
}

function printUri(uri: UriAddress): string {
  try {
    return formatUri(uri)
  } catch (error) {
    check(
      false,
      `transport.uri: not a valid address of a URI: ${isError(error) ? error.message : print(error)}`,
    )
  }
}

/** Compares each field: a missing field may be a default of URIs, an extra one belongs to another part of URIs. */
function checkRoundTrip(uri: UriAddress, printed: string): void {
  const returned = new Map<string, unknown>(Object.entries(toUriAddress(parseUri(printed)) ?? {}))
  const given = new Map<string, unknown>(Object.entries(uri))
  for (const name of new Set([...given.keys(), ...returned.keys()])) {
    checkSame(`uri.${name} after formatUri() and parseUri()`, returned.get(name), given.get(name))
  }
}

export const dialScenarios: readonly ScenarioBody<TransportFixture>[] = [
  {
    name: 'address: printable, and the same for all dials',
    run: async (fixture) => {
      const transport = await fixture.transport()
      const { address } = transport
      check(
        typeof address === 'string' && address !== '',
        `transport.address: expected text, received ${print(address)}`,
      )
      check(
        !/\p{Cc}/u.test(address),
        `transport.address: expected text without control characters, received ${print(address)}`,
      )
      await fixture.link()
      checkSame('transport.address after a dial', transport.address, address)
    },
  },
  {
    name: 'uri: formatUri() prints it, parseUri() returns it, and it is the same for all dials',
    run: async (fixture) => {
      const transport = await fixture.transport()
      const { uri } = transport
      const printed = uri === undefined ? undefined : printUri(uri)
      if (uri !== undefined && printed !== undefined) checkRoundTrip(uri, printed)
      await fixture.link()
      const after = transport.uri === undefined ? undefined : printUri(transport.uri)
      checkSame('transport.uri after a dial', after, printed)
    },
  },
  {
    name: 'dial: if refused, it rejects with a NbdTransportError that names the operation and the address',
    run: async (fixture) => {
      const transport = await fixture.waitFor('refused()', fixture.setup.refused())
      const { signal } = new AbortController()
      const rejected = dialError('refused', transport.dial({ signal }))
      checkRefusal(await fixture.waitFor('the refused dial to reject', rejected), transport)
    },
  },
  {
    name: "dial: if aborted before, it rejects with the signal's reason",
    run: async (fixture) => {
      const transport = await fixture.transport()
      const reason = new Error('aborted by the suite')
      const counted = new CountedSignal()
      counted.abort(reason)
      const rejected = dialError('aborted', transport.dial({ signal: counted.signal }))
      const error = await fixture.waitFor('the aborted dial to reject', rejected)
      checkSame('the error of the aborted dial', error, reason)
      checkSame('listeners left on the signal', counted.listenerCount, 0)
    },
  },
  {
    name: "dial: if aborted meanwhile, it rejects with the signal's reason or has already resolved",
    run: async (fixture) => {
      // The first connection may load modules that remain.
      await fixture.link()
      await fixture.end()
      const before = fixture.openResources()
      const transport = await fixture.transport()
      const reason = new Error('aborted by the suite')
      for (let round = 0; round < failedDials; round++) {
        const counted = new CountedSignal()
        const dial = outcome(transport.dial({ signal: counted.signal }))
        // Each abort comes one microtask later: before the first system call, and after the last one.
        for (let microtask = 0; microtask < round; microtask++) await Promise.resolve()
        counted.abort(reason)
        const result = await fixture.waitFor('the aborted dial to settle', dial)
        if ('error' in result) checkSame('the error of the aborted dial', result.error, reason)
        else result.destroy()
        checkSame('listeners left on the signal', counted.listenerCount, 0)
      }
      // This closes the listener, and with it the connections that no scenario has accepted.
      await fixture.end()
      await fixture.checkReleased(before)
    },
  },
  {
    name: "dial: if unanswered and then aborted, it rejects with the signal's reason, and leaves nothing open",
    needs: 'silent',
    run: async (fixture) => {
      const transport = await fixture.silent()
      const before = fixture.openResources()
      const reason = new Error('aborted by the suite')
      const counted = new CountedSignal()
      let isSettled = false
      const rejected = dialError('unanswered', transport.dial({ signal: counted.signal })).finally(() => {
        isSettled = true
      })
      rejected.catch(() => {})
      await fixture.quiet()
      check(!isSettled, 'the dial to the silent target settled before it was aborted')
      counted.abort(reason)
      const error = await fixture.waitFor('the aborted dial to reject', rejected)
      checkSame('the error of the aborted dial', error, reason)
      checkSame('listeners left on the signal', counted.listenerCount, 0)
      await fixture.checkReleased(before)
    },
  },
  {
    name: 'dial: if refused, it leaves nothing open, neither a resource nor a listener on the signal',
    run: async (fixture) => {
      const transport = await fixture.waitFor('refused()', fixture.setup.refused())
      const counted = new CountedSignal()
      const refuse = (): Promise<unknown> =>
        fixture.waitFor(
          'the refused dial to reject',
          dialError('refused', transport.dial({ signal: counted.signal })),
        )
      // The first dial may load modules that remain.
      await refuse()
      const before = fixture.openResources()
      for (let round = 0; round < failedDials; round++) await refuse()
      checkSame('listeners left on the signal', counted.listenerCount, 0)
      await fixture.checkReleased(before)
    },
  },
  {
    name: 'dial: once resolved, it has no listener on the signal, and an abort has no effect',
    run: async (fixture) => {
      const counted = new CountedSignal()
      const { connection, peer, reader } = await fixture.dial(counted.signal)
      checkSame('listeners left on the signal', counted.listenerCount, 0)
      counted.abort(new Error('aborted by the suite'))
      const recorder = fixture.start(connection)
      await fixture.quiet()
      connection.write([pattern(100, 1)])
      const taken = await fixture.waitFor('100 bytes at the peer', reader.take(100))
      checkBytes('at the peer', taken, pattern(100, 1))
      await fixture.waitFor('the write of the peer', peer.write(pattern(100, 2)))
      await fixture.waitFor('100 bytes', recorder.untilReceived(100))
      checkBytes('received', recorder.bytes, pattern(100, 2))
      check(!recorder.isClosed, 'the late abort closed the connection')
    },
  },
  {
    name: 'dial: two connections of one transport are independent',
    run: async (fixture) => {
      const length = 100_000
      const [first, second] = [await fixture.startedLink(), await fixture.startedLink()]
      const exchanges = [first, second].map(async ({ connection, peer, reader, recorder }, index) => {
        const [sent, answer] = [pattern(length, index), pattern(length, 10 + index)]
        connection.write([sent])
        const [taken] = await Promise.all([reader.take(length), peer.write(answer)])
        checkBytes(`at peer ${index + 1}`, taken, sent)
        await recorder.untilReceived(length)
        checkBytes(`on connection ${index + 1}`, recorder.bytes, answer)
      })
      await fixture.waitFor('100000 bytes on both connections, both ways', Promise.all(exchanges))
      first.recorder.destroy(first.connection)
      await fixture.waitFor('closed() after destroy()', first.recorder.untilClosed())
      await fixture.quiet()
      check(!second.recorder.isClosed, 'destroy() of the first connection closed the second one')
    },
  },
]
