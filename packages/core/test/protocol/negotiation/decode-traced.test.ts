import { expect, test } from '@jest/globals'
import { Trace } from '../../../src/protocol/debug/trace.js'
import { decodeTraced } from '../../../src/protocol/negotiation/option-exchange.js'
import { octets } from '../../bytes.js'
import { thrownBy } from './option-exchange-harness.js'

test('returns decoded bytes; logs and rethrows if decoding fails', () => {
  const lines: string[] = []
  const trace = new Trace((line) => lines.push(line))
  trace.isOn = true
  expect(decodeTraced(trace, octets('01 02'), ({ length }) => length)).toBe(2)
  expect(lines).toEqual([])
  const error = new Error('no')
  const refuse = (): never => {
    throw error
  }
  expect(thrownBy(() => decodeTraced(trace, octets('48 49'), refuse))).toBe(error)
  expect(lines).toEqual(['<- ? 48 49 |HI|'])
})
