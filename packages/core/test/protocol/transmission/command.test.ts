import { expect, test } from '@jest/globals'
import { Command, type CommandInit } from '../../../src/protocol/transmission/command.js'
import { Cmd, CommandFlag } from '../../../src/wire/constants.js'

const read: CommandInit = { type: Cmd.Read, name: 'pread', flags: 0, offset: 1_048_576, length: 4096 }

test('a command begins in the queue, without a reply', () => {
  const command = new Command(read)
  expect(command).toMatchObject({ ...read, canReceiveInPlace: true, state: 'waiting', abandoned: false })
  expect([command.data, command.destination, command.error, command.coverage]).toEqual([
    undefined,
    undefined,
    undefined,
    undefined,
  ])
})

test('a command keeps its arguments', () => {
  const data = new Uint8Array(3)
  const destination = new Uint8Array(4096)
  const command = new Command({
    ...{ type: Cmd.Write, name: 'pwrite', flags: CommandFlag.Fua, offset: 2n ** 63n, length: 3 },
    ...{ data, destination, canReceiveInPlace: false },
  })
  expect(command.data).toBe(data)
  expect(command.destination).toBe(destination)
  expect(command).toMatchObject({ flags: CommandFlag.Fua, offset: 2n ** 63n, canReceiveInPlace: false })
})

test.each<[Partial<CommandInit>, string]>([
  [{}, 'pread of 4096 bytes at 1048576'],
  [{ offset: 2n ** 64n - 1n, length: 1 }, 'pread of 1 bytes at 18446744073709551615'],
  [{ type: Cmd.Flush, name: 'flush', offset: 0, length: 0 }, 'flush'],
])('%p is shown as %s', (init, text) => {
  expect(String(new Command({ ...read, ...init }))).toBe(text)
})
