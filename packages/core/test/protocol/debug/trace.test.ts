import { expect, test } from '@jest/globals'
import { Trace } from '../../../src/protocol/debug/trace.js'

test('a line is made only while there is a listener', () => {
  const lines: string[] = []
  const trace = new Trace((line) => lines.push(line))
  let made = 0
  const line = (name: string, count: number): string => {
    made++
    return `${name} ${count}`
  }
  trace.log(line, 'early', 1)
  expect([trace.isOn, made, lines]).toEqual([false, 0, []])
  trace.isOn = true
  trace.log(line, 'one', 2)
  trace.log(line, 'two', 3)
  trace.isOn = false
  trace.log(line, 'late', 4)
  expect([made, lines]).toEqual([2, ['one 2', 'two 3']])
})
