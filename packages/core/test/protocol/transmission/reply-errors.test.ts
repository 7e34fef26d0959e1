import { describe, expect, test } from '@jest/globals'
import { NbdServerError } from '@nbdjs/core'
import { Command } from '../../../src/protocol/transmission/command.js'
import {
  type ErrorContext,
  type ServerError,
  serverError,
} from '../../../src/protocol/transmission/reply-errors.js'
import { Cmd } from '../../../src/wire/constants.js'

const command = new Command({ type: Cmd.Read, name: 'pread', flags: 0, offset: 1_048_576, length: 4096 })

const context: ErrorContext = { maxPayload: 0, mask: (text) => text }

describe('the error of a command', () => {
  test.each<[ServerError, string]>([
    [{ value: 5 }, 'pread of 4096 bytes at 1048576: server replied EIO'],
    [{ value: 5, message: 'bad sector' }, 'pread of 4096 bytes at 1048576: server replied EIO: "bad sector"'],
    [
      { value: 28, offset: 1_048_580 },
      'pread of 4096 bytes at 1048576: server replied ENOSPC at offset 1048580',
    ],
    [
      { value: 108, message: 'bye', offset: 2n ** 60n },
      'pread of 4096 bytes at 1048576: server replied ESHUTDOWN at offset 1152921504606846976: "bye"',
    ],
    // Text of the peer must not pass for a line of ours.
    [{ value: 5, message: 'a\nb"' }, 'pread of 4096 bytes at 1048576: server replied EIO: "a\\nb\\""'],
    // C3: a number outside the table is EINVAL, and the message has the number.
    [
      { value: 110 },
      'pread of 4096 bytes at 1048576: server replied error 110 (unknown to NBD, treated as EINVAL)',
    ],
  ])('%p says %s', (told, message) => {
    expect(serverError(command, told, context).message).toBe(message)
  })

  test('has all values in fields too', () => {
    const error = serverError(command, { value: 5, message: 'bad sector', offset: 1_048_580 }, context)
    expect(error).toBeInstanceOf(NbdServerError)
    expect(error).toMatchObject({
      ...{ errno: 'EIO', command: 'pread', offset: 1_048_576n, length: 4096n },
      ...{ errorOffset: 1_048_580n, serverMessage: 'bad sector' },
    })
  })

  test('omits unknown values', () => {
    const error = serverError(command, { value: 5, message: '' }, context)
    expect([error.errorOffset, error.serverMessage]).toEqual([undefined, undefined])
  })

  // "Error values": the table, and EINVAL for whatever is not in it.
  test.each([
    [1, 'EPERM'],
    [5, 'EIO'],
    [12, 'ENOMEM'],
    [22, 'EINVAL'],
    [28, 'ENOSPC'],
    [75, 'EOVERFLOW'],
    [95, 'ENOTSUP'],
    [108, 'ESHUTDOWN'],
    [2, 'EINVAL'],
    [0xffffffff, 'EINVAL'],
  ])('C3: %d is %s, and serverErrno keeps the number', (value, errno) => {
    expect(serverError(command, { value }, context)).toMatchObject({ errno, serverErrno: value })
  })
})
