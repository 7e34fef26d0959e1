import { describe, expect, test } from '@jest/globals'
import type { Command } from '../../../src/protocol/transmission/command.js'
import { InFlight } from '../../../src/protocol/transmission/in-flight.js'
import { receiveSize } from '../../../src/protocol/transmission/reply-parser.js'
import { repeated } from '../../bytes.js'
import { flush, read, write } from './commands.js'

const HEAD = 20
/** Beyond the replies: an offset, and a byte more. */
const BEYOND = 9

function inFlight(...commands: Command[]): InFlight<Command> {
  const inFlight = new InFlight<Command>()
  for (const command of commands) inFlight.add(command)
  return inFlight
}

describe('a view has room for', () => {
  test.each([
    ['one reply, when it is the only one', 1, 4096 + HEAD],
    ['one of two', 2, 4096 + HEAD],
    ['half of them', 64, 32 * (4096 + HEAD)],
    ['half of an odd number', 3, 1.5 * (4096 + HEAD)],
  ])('%s', (_, count, bytes) => {
    const reads = Array.from({ length: count }, () => read(4096))
    expect(receiveSize(inFlight(...reads), HEAD)).toBe(bytes + BEYOND)
  })

  test('replies of different lengths by their average', () => {
    const commands = [read(8192), read(4096), write(repeated(1, 100)), flush()]
    expect(receiveSize(inFlight(...commands), HEAD)).toBe((8192 + 4096) / 2 + 2 * HEAD + BEYOND)
  })

  test('256 bytes if replies are short', () => {
    expect(receiveSize(inFlight(flush()), HEAD)).toBe(256)
    expect(receiveSize(inFlight(read(1), read(1)), HEAD)).toBe(256)
  })

  test('any number of bytes if nothing was requested', () => {
    expect(receiveSize(inFlight(), HEAD)).toBe(Number.POSITIVE_INFINITY)
  })
})
