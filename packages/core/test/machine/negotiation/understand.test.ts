import { expect, test } from '@jest/globals'
import { understand } from '../../../src/machine/negotiation/understand.js'
import { Trace } from '../../../src/machine/trace/trace.js'
import { octets } from '../../octets.js'
import { thrownBy } from './dialogue.js'

test('what is understood is returned; what is not is shown, and thrown on', () => {
  const lines: string[] = []
  const trace = new Trace((line) => lines.push(line))
  trace.isOn = true
  expect(understand(trace, octets('01 02'), ({ length }) => length)).toBe(2)
  expect(lines).toEqual([])
  const error = new Error('no')
  const refuse = (): never => {
    throw error
  }
  expect(thrownBy(() => understand(trace, octets('48 49'), refuse))).toBe(error)
  expect(lines).toEqual(['<- ? 48 49 |HI|'])
})
