import { describe, expect, it } from '@jest/globals'
import { StderrTail, tailLength } from '../src/stderr-tail.js'

const tailOf = (...chunks: readonly (string | Uint8Array)[]): string => {
  const tail = new StderrTail()
  for (const chunk of chunks) tail.add(typeof chunk === 'string' ? Buffer.from(chunk) : chunk)
  return tail.text
}

describe('StderrTail', () => {
  it('is everything when that is not much, without white space around it', () => {
    expect(tailOf()).toBe('')
    expect(tailOf('\n', 'a\n', 'b', 'c\n')).toBe('a\nbc')
    expect(tailOf('x'.repeat(tailLength))).toBe('x'.repeat(tailLength))
  })

  it('is the end of it otherwise, and shows that', () => {
    expect(tailOf('lost', 'x'.repeat(tailLength))).toBe(`...${'x'.repeat(tailLength)}`)
    expect(tailOf('y'.repeat(100_000), 'end')).toBe(`...${'y'.repeat(tailLength - 3)}end`)
  })

  it('begins with a whole character', () => {
    // 4096 bytes are 2048 of these; one more byte behind them cuts the first one kept.
    expect(tailOf('ü'.repeat(3000), '.')).toBe(`...${'ü'.repeat(2047)}.`)
  })

  it('keeps a character that came in two pieces', () => {
    const [first, second] = Buffer.from('é')
    expect(tailOf(Uint8Array.of(first as number), Uint8Array.of(second as number))).toBe('é')
  })
})
