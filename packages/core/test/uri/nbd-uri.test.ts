import { expect, test } from '@jest/globals'
import type { UriAddress } from '@nbdjs/core'
import { expectTypeOf } from 'expect-type'
import {
  defaultCid,
  defaultHost,
  defaultPort,
  type NbdTcpUri,
  type NbdUri,
  type NbdUriInit,
} from '../../src/uri/nbd-uri.js'

test('the defaults are those of nbd-uri.md and of nbd_connect_uri(3)', () => {
  expect([defaultHost, defaultPort, defaultCid]).toEqual(['localhost', 10809, 2])
})

test('a parsed URI is an address, and can be printed', () => {
  expectTypeOf<NbdUri>().toExtend<UriAddress>()
  expectTypeOf<NbdUri>().toExtend<NbdUriInit>()
  expectTypeOf<Extract<NbdUri, { transport: 'tcp' }>>().toEqualTypeOf<NbdTcpUri>()
})
