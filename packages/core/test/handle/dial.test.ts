import { getEventListeners } from 'node:events'
import { describe, expect, jest, test } from '@jest/globals'
import type { Connection, Transport } from '@nbdjs/core'
import { dial } from '../../src/handle/dial.js'
import { watchLeaks } from './leaks.js'
import { HandConnection } from './manual-connection.js'
import { rejection, settled } from './settle-promises.js'

watchLeaks()

const transportThat = (dial: Transport['dial']): Transport => ({ address: 'here:', dial })

describe('leaves no listener and no timer', () => {
  test.each<[string, Transport['dial']]>([
    ['when it succeeds', async () => new HandConnection()],
    ['when it fails', () => Promise.reject(new Error('no'))],
    [
      'when it throws',
      () => {
        throw new Error('no')
      },
    ],
  ])('%s', async (_, dialled) => {
    const { signal } = new AbortController()
    await dial(transportThat(dialled), 1000, signal).catch(() => {})
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
    expect(jest.getTimerCount()).toBe(0)
  })

  test('when it is aborted', async () => {
    const controller = new AbortController()
    const dialling = rejection(
      dial(
        transportThat(() => new Promise(() => {})),
        1000,
        controller.signal,
      ),
    )
    controller.abort('enough')
    expect(await dialling).toBe('enough')
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0)
    expect(jest.getTimerCount()).toBe(0)
  })
})

test('the transport gets a separate signal', async () => {
  const { signal } = new AbortController()
  let seen: AbortSignal | undefined
  const connection = new HandConnection()
  const dialled = await dial(
    transportThat(async (options) => {
      seen = options.signal
      return connection
    }),
    0,
    signal,
  )
  expect(dialled).toBe(connection)
  expect(seen).not.toBe(signal)
  expect(seen?.aborted).toBe(false)
})

test('aborted inside dial(): rejects with the reason, even if the transport never settles', async () => {
  const controller = new AbortController()
  const transport = transportThat(() => {
    controller.abort('enough')
    return new Promise(() => {})
  })
  expect(await rejection(dial(transport, 0, controller.signal))).toBe('enough')
})

test('a connection that comes after the timeout is destroyed', async () => {
  const connection = new HandConnection()
  let open = (_: Connection): void => {}
  const transport = transportThat(
    () =>
      new Promise((resolve) => {
        open = resolve
      }),
  )
  const dialling = rejection(dial(transport, 10, new AbortController().signal))
  await jest.advanceTimersByTimeAsync(10)
  expect(await dialling).toMatchObject({ errno: 'ETIMEDOUT', operation: 'dial' })
  expect(connection.calls).toEqual([])
  open(connection)
  await settled()
  expect(connection.calls).toEqual(['destroy'])
})

test('a synchronous dial() is accepted', async () => {
  const connection = new HandConnection()
  const transport = transportThat((() => connection) as never)
  expect(await dial(transport, 0, new AbortController().signal)).toBe(connection)
})

test('C2: the message of a timeout ends with the step that the transport waited for', async () => {
  const { signal } = new AbortController()
  const dialling = rejection(
    dial(
      transportThat(({ onStep }) => {
        onStep?.('looking up "disk"')
        onStep?.('sent "CONNECT 52", waiting for a line in return, received 0 bytes')
        return new Promise(() => {})
      }),
      300,
      signal,
    ),
  )
  jest.advanceTimersByTime(300)
  expect(await dialling).toMatchObject({
    message:
      'dial of here: failed: no connection within 300 ms (timeouts.dialMs): ' +
      'sent "CONNECT 52", waiting for a line in return, received 0 bytes',
    errno: 'ETIMEDOUT',
  })
})

test('G8: eleven dials with one signal add one listener to it', async () => {
  const controller = new AbortController()
  const { signal } = controller
  const dials = Array.from({ length: 11 }, () =>
    rejection(
      dial(
        transportThat(() => new Promise(() => {})),
        1000,
        signal,
      ),
    ),
  )
  expect(getEventListeners(signal, 'abort')).toHaveLength(1)
  controller.abort('enough')
  expect(new Set(await Promise.all(dials))).toEqual(new Set(['enough']))
})
