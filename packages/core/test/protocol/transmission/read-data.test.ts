import { describe, expect, test } from '@jest/globals'
import { NbdProtocolError, NbdUsageError } from '@nbdjs/core'
import {
  canReceive,
  checkComplete,
  destinationOf,
  exportOffset,
  preallocate,
  recordRange,
} from '../../../src/protocol/transmission/read-data.js'
import { CommandFlag } from '../../../src/wire/constants.js'
import { repeated } from '../../bytes.js'
import { detach } from '../detached-memory.js'
import { read, write } from './commands.js'

const KIB = 1024

describe('the memory of a read', () => {
  test('is that of the caller, or is allocated once', () => {
    const own = repeated(1, 8)
    expect(destinationOf(read(8, 0, { destination: own }))).toBe(own)
    const command = read(8)
    const made = destinationOf(command)
    expect(made).toEqual(new Uint8Array(8))
    expect(destinationOf(command)).toBe(made)
  })

  test('is allocated before the request is sent only if it is long', () => {
    const own = repeated(1, 128 * KIB)
    const data = repeated(1, 128 * KIB)
    const commands = [
      read(128 * KIB),
      read(128 * KIB - 1),
      read(own.length, 0, { destination: own }),
      write(data),
    ]
    expect(commands.map(preallocate)).toEqual([undefined, undefined, undefined, undefined])
    expect(commands.map(({ destination }) => destination?.length)).toEqual([
      128 * KIB,
      undefined,
      128 * KIB,
      undefined,
    ])
    expect(commands[2]?.destination).toBe(own)
  })

  test('that cannot be allocated fails only its command', () => {
    const error = preallocate(read(2 ** 53 - 1))
    expect(error).toBeInstanceOf(NbdUsageError)
    expect(error).toMatchObject({ errno: 'ENOMEM', cause: expect.objectContaining({ name: 'RangeError' }) })
  })

  test('is not written after an abort or a detach', () => {
    const [here, lazy, gone, abandoned] = [
      read(8, 0, { destination: repeated(1, 8) }),
      read(8),
      read(8, 0, { destination: repeated(1, 8) }),
      read(8),
    ]
    detach(gone.destination as Uint8Array)
    abandoned.abandoned = true
    expect([here, lazy, gone, abandoned].map(canReceive)).toEqual([true, true, false, false])
    expect(gone.error?.message).toBe(
      'pread of 8 bytes at 0: the buffer was detached or resized before the reply came',
    )
    expect([here.error, lazy.error, abandoned.error]).toEqual([undefined, undefined, undefined])
  })
})

describe('a chunk', () => {
  test('is written at its offset, each byte once', () => {
    const command = read(100, 4096)
    expect([recordRange(command, 4146, 50), recordRange(command, 4096, 50)]).toEqual([50, 0])
    expect(exportOffset(command, 50)).toBe(4146n)
    expect(() => checkComplete(command)).not.toThrow()
  })

  test.each([
    ['no byte', 4096, 0, 'at least one byte in a chunk, received none'],
    ['a byte before', 4095, 1, 'data within the request, received 1 bytes at 4095'],
    ['a byte behind', 4195, 2, 'data within the request, received 2 bytes at 4195'],
  ])('of %s is rejected', (_, offset, length, says) => {
    expect(() => recordRange(read(100, 4096), offset, length)).toThrow(
      `reply to pread of 100 bytes at 4096: expected ${says}`,
    )
  })

  test('with a byte that was received before is rejected, and so is a second chunk with df', () => {
    const twice = read(100)
    recordRange(twice, 0, 50)
    expect(() => recordRange(twice, 49, 1)).toThrow(/expected each byte once, received an overlapping chunk/)
    const whole = read(100, 0, { flags: CommandFlag.Df })
    recordRange(whole, 0, 50)
    expect(() => recordRange(whole, 50, 50)).toThrow(
      'one content chunk, because NBD_CMD_FLAG_DF was set, received another',
    )
  })

  test('that is missing at the end is rejected, unless there is an error', () => {
    const command = read(100)
    recordRange(command, 0, 99)
    expect(() => checkComplete(command)).toThrow(NbdProtocolError)
    expect(() => checkComplete(command)).toThrow(
      'expected all 100 bytes before the end of the reply, received 99',
    )
    command.error = new Error('bad sector')
    expect(() => checkComplete(command)).not.toThrow()
  })
})
