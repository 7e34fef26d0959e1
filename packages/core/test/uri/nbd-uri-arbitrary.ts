import type { NbdUriInit } from '@nbdjs/core'
import fc from 'fast-check'
import { codePoint } from '../arbitraries.js'

const knownParameter = /^(socket|tls-(certificates|psk-file|hostname|verify-peer|type))$/i

/** Text of any code points except NUL, with many of those that mean something in a URI. */
const text = (maxLength = 12): fc.Arbitrary<string> =>
  fc
    .array(fc.oneof(fc.string({ unit: codePoint, maxLength: 3 }), fc.constantFrom(...' %/?#[]@:&=;+.é🦆')), {
      maxLength,
    })
    .map((pieces) => pieces.join('').replaceAll('\0', '0'))

const nonEmpty = text().filter((value) => value !== '')

const host: fc.Arbitrary<string> = fc.oneof(
  fc.domain(),
  fc.ipV4(),
  fc.ipV6(),
  fc.constantFrom('fe80::1%eth0', 'münchen.example', 'localhost', 'a_b'),
)

const optional = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(value, { nil: undefined })
const uint32 = (min: number): fc.Arbitrary<number> => fc.integer({ min, max: 2 ** 32 - 1 })

const common = {
  tls: optional(fc.boolean()),
  user: optional(nonEmpty),
  exportName: optional(text(40)),
  tlsParameters: optional(
    fc.record(
      {
        certificates: nonEmpty,
        pskFile: nonEmpty,
        hostname: host,
        verifyPeer: fc.boolean(),
        type: fc.constantFrom('anon', 'x509', 'psk'),
      },
      { requiredKeys: [] },
    ),
  ),
  unknownParameters: optional(
    fc.array(fc.record({ name: nonEmpty.filter((name) => !knownParameter.test(name)), value: text() }), {
      maxLength: 3,
    }),
  ),
}

/** Everything that formatUri accepts. */
export const nbdUriInit: fc.Arbitrary<NbdUriInit> = fc.oneof(
  fc.record({
    ...common,
    transport: fc.constant('tcp' as const),
    host: optional(host),
    port: optional(fc.integer({ min: 1, max: 65535 })),
  }),
  fc.record({
    ...common,
    transport: fc.constant('unix' as const),
    socketPath: fc.oneof(
      nonEmpty,
      nonEmpty.map((name) => `\0${name}`),
    ),
  }),
  fc.record({
    ...common,
    transport: fc.constant('vsock' as const),
    cid: optional(uint32(0)),
    port: optional(uint32(1)),
  }),
)
