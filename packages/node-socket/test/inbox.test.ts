import { describe, expect, it, jest } from '@jest/globals'
import { Inbox } from '../src/inbox.js'
import { RecordingReceiver } from './recording-receiver.js'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

describe('Inbox', () => {
  it('lends a single byte before anyone is attached, and copies it to the first who is', () => {
    const inbox = new Inbox()
    const view = inbox.lend()
    expect(view).toHaveLength(1)

    const receiver = new RecordingReceiver()
    inbox.attach(receiver)
    view.set(bytes('a'))
    expect(inbox.take(1, view)).toBe(true)
    expect(receiver.text).toBe('a')
  })

  it("lends the receiver's own memory, so that nothing is copied", () => {
    const inbox = new Inbox()
    const receiver = new RecordingReceiver()
    inbox.attach(receiver)
    const view = inbox.lend()
    expect(view).toBe(receiver.view)

    view.set(bytes('abc'))
    expect(inbox.take(3, view)).toBe(true)
    expect(receiver.calls).toEqual(['received 3'])
    expect(receiver.text).toBe('abc')
  })

  it('lends no more of it than may be read at a time', () => {
    const inbox = new Inbox(100)
    const receiver = new RecordingReceiver()
    inbox.attach(receiver)
    const view = inbox.lend()
    expect(view).toEqual(receiver.view.subarray(0, 100))
    expect(view.buffer).toBe(receiver.view.buffer)
    inbox.take(100, view)
    expect(receiver.calls).toEqual(['received 100'])

    receiver.buffer = () => receiver.view.subarray(0, 100)
    expect(inbox.lend()).toHaveLength(100)
    receiver.buffer = () => receiver.view.subarray(0, 1)
    expect(inbox.lend()).toHaveLength(1)
  })

  it('stops the reading and lends its own byte once the receiver was detached inside received()', () => {
    const inbox = new Inbox()
    const receiver = new RecordingReceiver()
    receiver.received = () => inbox.detach()
    inbox.attach(receiver)
    expect(inbox.take(3, inbox.lend())).toBe(false)
    expect(inbox.receiver).toBeUndefined()
    expect(inbox.lend()).not.toBe(receiver.view)
    expect(inbox.lend()).toHaveLength(1)
  })

  it.each([
    ['keeps the event loop awake for the rest of a piece', 10, 10, 1],
    ['lets it sleep where the view was filled', 1024, 1024, 0],
    ['lets it sleep where other memory is lent next', 10, 0, 0],
  ])('%s', (_, count, nextAt, rounds) => {
    jest.useFakeTimers()
    try {
      const inbox = new Inbox()
      const receiver = new RecordingReceiver()
      const views = [receiver.view, new Uint8Array(receiver.view.buffer, nextAt)]
      receiver.buffer = () => views.shift() as Uint8Array
      inbox.attach(receiver)
      inbox.take(count, inbox.lend())
      inbox.lend()
      expect(jest.getTimerCount()).toBe(rounds)
    } finally {
      jest.useRealTimers()
    }
  })

  it('copies a chunk in pieces, up to where the receiver was detached', () => {
    const inbox = new Inbox()
    const memory = new Uint8Array(2)
    const receiver = new RecordingReceiver()
    receiver.buffer = () => memory
    receiver.received = (count) => {
      receiver.text += new TextDecoder().decode(memory.subarray(0, count))
      if (receiver.text === 'abcd') inbox.detach()
    }
    inbox.attach(receiver)
    expect(inbox.takeChunk(bytes('abcdefg'))).toEqual(bytes('efg'))
    expect(inbox.takeChunk(bytes('hi'))).toEqual(bytes('hi'))
    expect(receiver.text).toBe('abcd')
  })
})
