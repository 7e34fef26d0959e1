import { describe, expect, test } from '@jest/globals'
import { readGreeting } from '../../../src/protocol/negotiation/greeting.js'
import { octets, refusal, repeated } from '../../bytes.js'
import { Dialogue } from './option-exchange-harness.js'

const newstyle = octets('4e 42 44 4d 41 47 49 43  49 48 41 56 45 4f 50 54')
const oldstyle = octets('4e 42 44 4d 41 47 49 43  00 00 42 02 81 86 12 53')

describe('a newstyle greeting', () => {
  const none = { fixedNewstyle: false, noZeroes: false }
  const both = { fixedNewstyle: true, noZeroes: true }

  test.each([
    ['00 03', both, '00 00 00 03', both],
    // spec: client/client-flags/no-zeroes-if-offered
    ['00 01', both, '00 00 00 01', { fixedNewstyle: true, noZeroes: false }],
    ['00 02', both, '00 00 00 02', { fixedNewstyle: false, noZeroes: true }],
    // spec: client/client-flags/no-zeroes-if-offered
    ['00 00', both, '00 00 00 00', none],
    ['00 03', none, '00 00 00 00', none],
    [
      '00 03',
      { fixedNewstyle: true, noZeroes: false },
      '00 00 00 01',
      { fixedNewstyle: true, noZeroes: false },
    ],
    [
      '00 03',
      { fixedNewstyle: false, noZeroes: true },
      '00 00 00 02',
      { fixedNewstyle: false, noZeroes: true },
    ],
    // Flags that we do not know are the server's own business.
    // spec: client/client-flags/no-others
    ['ff ff', both, '00 00 00 03', both],
    ['ff fc', both, '00 00 00 00', none],
  ])('with flags %s, where the client sets %p, is answered by %s', (offered, wanted, answer, agreed) => {
    const dialogue = new Dialogue({ handshakeFlags: wanted })
    const protocol = dialogue.read(readGreeting(dialogue.negotiation), newstyle, octets(offered))
    expect(protocol).toBe(agreed.fixedNewstyle ? 'newstyle-fixed' : 'newstyle')
    expect(dialogue.sent).toEqual(octets(answer))
    expect(dialogue.negotiation.session()).toEqual({
      ...{ protocol, tls: false, structuredReplies: false, extendedHeaders: false, handshakeFlags: agreed },
    })
    expect(dialogue.negotiation.info).toBeUndefined()
  })

  test('counts as one chunk, and the client flags as none', () => {
    const dialogue = new Dialogue()
    dialogue.read(readGreeting(dialogue.negotiation), newstyle, octets('00 03'))
    expect(dialogue.stats).toMatchObject({ chunksSent: 0, chunksReceived: 1 })
    expect(dialogue.traced).toEqual([
      '<- NBDMAGIC IHAVEOPT flags=FIXED_NEWSTYLE|NO_ZEROES',
      '-> client flags=FIXED_NEWSTYLE|NO_ZEROES',
    ])
  })
})

describe('an oldstyle greeting', () => {
  const rest = (flags: string): Uint8Array[] => [octets('00 00 00 00 00 01 00 00', flags), repeated(0, 124)]

  test('contains all information about the export', () => {
    const dialogue = new Dialogue()
    expect(dialogue.read(readGreeting(dialogue.negotiation), oldstyle, ...rest('00 00 00 07'))).toBe(
      'oldstyle',
    )
    expect(dialogue.negotiation.info).toMatchObject({
      ...{ name: 'disk0', size: 65536n, readOnly: true, canFlush: true, canFua: false },
    })
    expect(dialogue.sent).toHaveLength(0)
    expect(dialogue.negotiation.session()).toMatchObject({
      ...{ protocol: 'oldstyle', handshakeFlags: { fixedNewstyle: false, noZeroes: false } },
    })
  })

  test('does not support "do not fragment"', () => {
    const dialogue = new Dialogue()
    dialogue.read(readGreeting(dialogue.negotiation), oldstyle, ...rest('00 00 00 81'))
    expect(dialogue.negotiation.info?.canDf).toBe(false)
  })

  test('may not have handshake flags', () => {
    const dialogue = new Dialogue()
    const error = refusal(() =>
      dialogue.read(readGreeting(dialogue.negotiation), oldstyle, ...rest('00 01 00 01')),
    )
    expect(error.message).toBe('oldstyle greeting: expected handshake flags 0, received 1')
    expect(dialogue.traced).toEqual([
      '<- NBDMAGIC OLDSTYLE handshakeFlags=FIXED_NEWSTYLE size=65536 flags=HAS_FLAGS',
    ])
    expect([error.expected, error.received]).toEqual(['0', '1'])
  })

  test('may not have transmission flags of 0', () => {
    const dialogue = new Dialogue()
    expect(
      refusal(() => dialogue.read(readGreeting(dialogue.negotiation), oldstyle, ...rest('00 00 00 00')))
        .message,
    ).toBe('export "disk0": the transmission flags are 0')
  })
})

describe('a greeting of another protocol', () => {
  test.each([
    [
      ...['of a web server', '48 54 54 50 2f 31 2e 31 20 34 30 30 20 42 61 64'],
      ...['expected NBDMAGIC', 'HTTP/1.1 400 Bad'],
    ],
    [
      ...['of another NBD', '4e 42 44 4d 41 47 49 43 00 00 00 00 00 00 00 00'],
      ...['expected IHAVEOPT or the oldstyle magic', 'NBDMAGIC........'],
    ],
  ] as const)('%s is rejected and logged', (_, bytes, message, text) => {
    const dialogue = new Dialogue()
    const error = refusal(() => dialogue.read(readGreeting(dialogue.negotiation), octets(bytes)))
    expect(error.message).toMatch(message)
    expect([dialogue.sent.length, dialogue.stats.chunksReceived]).toEqual([0, 0])
    expect(dialogue.traced).toEqual([`<- ? ${bytes} |${text}|`])
  })
})
