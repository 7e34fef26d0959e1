import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { Command } from '../../../src/protocol/transmission/command.js'
import { InFlight } from '../../../src/protocol/transmission/in-flight.js'
import { Cmd } from '../../../src/wire/constants.js'

function flush(name = 'flush'): Command {
  return new Command({ type: Cmd.Flush, name, flags: 0, offset: 0, length: 0 })
}

describe('the commands in flight', () => {
  test('are found by their cookie', () => {
    const inFlight = new InFlight()
    const [a, b] = [flush('a'), flush('b')]
    inFlight.add(a)
    inFlight.add(b)
    expect(inFlight.count).toBe(2)
    expect(inFlight.find(a.serial, a.slot)).toBe(a)
    expect(inFlight.find(b.serial, b.slot)).toBe(b)
  })

  test('count the bytes of their payload in both directions, and of their replies', () => {
    const inFlight = new InFlight()
    const commands = [
      new Command({ type: Cmd.Read, name: 'pread', flags: 0, offset: 0, length: 300 }),
      new Command({
        type: Cmd.Write,
        name: 'pwrite',
        flags: 0,
        offset: 0,
        length: 40,
        data: new Uint8Array(40),
      }),
      new Command({ type: Cmd.Trim, name: 'trim', flags: 0, offset: 0, length: 5000 }),
    ] as const
    for (const command of commands) inFlight.add(command)
    expect([inFlight.bytes, inFlight.replyBytes]).toEqual([340, 300])
    inFlight.remove(commands[0])
    expect([inFlight.bytes, inFlight.replyBytes]).toEqual([40, 0])
    inFlight.add(commands[0])
    inFlight.drain()
    expect([inFlight.bytes, inFlight.replyBytes]).toEqual([0, 0])
  })

  test('have cookies from 1 up, never 0', () => {
    const inFlight = new InFlight()
    const commands = Array.from({ length: 3 }, () => flush())
    for (const command of commands) inFlight.add(command)
    expect(commands.map(({ serial, slot }) => [serial, slot])).toEqual([
      [1, 0],
      [2, 1],
      [3, 2],
    ])
  })

  test('are not found by another cookie', () => {
    const inFlight = new InFlight()
    const command = flush()
    inFlight.add(command)
    const { serial, slot } = command
    for (const [high, low] of [
      [serial, slot + 1],
      [serial + 1, slot],
      [0, slot],
      [slot, serial],
      [serial, 0xffffffff],
      [0xffffffff, 0xffffffff],
    ] as const) {
      expect(inFlight.find(high, low)).toBeUndefined()
    }
  })

  test('are gone once removed, even if their slot is used again', () => {
    const inFlight = new InFlight()
    const first = flush('first')
    inFlight.add(first)
    const { serial, slot } = first
    inFlight.remove(first)
    expect([inFlight.count, inFlight.find(serial, slot)]).toEqual([0, undefined])
    const second = flush('second')
    inFlight.add(second)
    expect(second.slot).toBe(slot)
    expect(inFlight.find(serial, slot)).toBeUndefined()
    expect(inFlight.find(second.serial, slot)).toBe(second)
  })

  test('are returned oldest first, whatever their slot', () => {
    const inFlight = new InFlight()
    const [a, b, c, d] = [flush('a'), flush('b'), flush('c'), flush('d')]
    for (const command of [a, b, c]) inFlight.add(command)
    inFlight.remove(a)
    inFlight.add(d)
    expect(d.slot).toBe(0)
    expect(inFlight.oldest).toBe(b)
    expect(inFlight.drain()).toEqual([b, c, d])
    expect([inFlight.count, inFlight.oldest, inFlight.find(b.serial, b.slot)]).toEqual([
      0,
      undefined,
      undefined,
    ])
  })

  test('use no more slots than the largest number of commands at once', () => {
    const inFlight = new InFlight()
    const slots = new Set<number>()
    for (let round = 0; round < 1000; round++) {
      const commands = Array.from({ length: 8 }, () => flush())
      for (const command of commands) inFlight.add(command)
      for (const command of commands) {
        slots.add(command.slot)
        inFlight.remove(command)
      }
    }
    expect([...slots].sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
  })

  test('are a map from cookies to commands', () => {
    fc.assert(
      fc.property(fc.array(fc.option(fc.nat()), { maxLength: 60 }), (script) => {
        const inFlight = new InFlight()
        const model: Command[] = []
        const gone: Command[] = []
        for (const step of script) {
          if (step === null) {
            const command = flush()
            inFlight.add(command)
            model.push(command)
          } else if (model.length > 0) {
            const [command] = model.splice(step % model.length, 1) as [Command]
            inFlight.remove(command)
            gone.push(command)
          }
          expect(inFlight.count).toBe(model.length)
          expect(inFlight.oldest).toBe(model[0])
          for (const command of model) expect(inFlight.find(command.serial, command.slot)).toBe(command)
          for (const { serial, slot } of gone) expect(inFlight.find(serial, slot)).toBeUndefined()
        }
        expect(inFlight.drain()).toEqual(model)
      }),
    )
  })
})
