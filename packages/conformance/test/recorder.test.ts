import { describe, expect, it } from '@jest/globals'
import { ConformanceError } from '@nbdjs/conformance'
import { Recorder } from '../src/recorder.js'

const viewLength = (): number => 4

describe('Recorder', () => {
  it('keeps the bytes and the calls', () => {
    const recorder = new Recorder({ viewLength })
    recorder.buffer().set([1, 2, 3])
    recorder.received(3)
    recorder.buffer().set([4])
    recorder.received(1)
    recorder.drained()
    recorder.ended()
    recorder.closed()
    expect(recorder.bytes).toEqual(Uint8Array.of(1, 2, 3, 4))
    expect(recorder.calls).toEqual(['received', 'received', 'drained', 'ended', 'closed'])
    expect(recorder.summary).toBe('received 4 bytes, drained 1, ended 1, closed with undefined')
    expect(recorder.violations).toEqual([])
    expect(() => recorder.check()).not.toThrow()
  })

  it('allows buffer() again without a byte', () => {
    const recorder = new Recorder({ viewLength })
    recorder.buffer()
    recorder.buffer()
    recorder.received(1)
    expect(recorder.violations).toEqual([])
  })

  const broken: readonly (readonly [string, (recorder: Recorder) => void])[] = [
    ['received() came without a view from buffer()', (recorder) => recorder.received(1)],
    [
      'received(5) into a view of 4 bytes',
      (recorder) => {
        recorder.buffer()
        recorder.received(5)
      },
    ],
    [
      'received(0) into a view of 4 bytes',
      (recorder) => {
        recorder.buffer()
        recorder.received(0)
      },
    ],
    [
      'received(1.5) into a view of 4 bytes',
      (recorder) => {
        recorder.buffer()
        recorder.received(1.5)
      },
    ],
    [
      'bytes were written behind the end of the view',
      (recorder) => {
        const view = recorder.buffer()
        new Uint8Array(view.buffer)[view.byteOffset + view.length] = 0
        recorder.received(1)
      },
    ],
    [
      'bytes were written before the start of the view',
      (recorder) => {
        const view = recorder.buffer()
        new Uint8Array(view.buffer)[view.byteOffset - 1] = 0
        recorder.received(1)
      },
    ],
    [
      'ended() was called 2 times',
      (recorder) => {
        recorder.ended()
        recorder.ended()
      },
    ],
    [
      'received() came after ended()',
      (recorder) => {
        recorder.buffer()
        recorder.ended()
        recorder.received(1)
      },
    ],
    [
      'drained() was called after closed()',
      (recorder) => {
        recorder.closed()
        recorder.drained()
      },
    ],
    [
      'closed() was called after closed()',
      (recorder) => {
        recorder.closed()
        recorder.closed()
      },
    ],
    ['closed("why")', (recorder) => recorder.closed('why' as never)],
  ]

  it.each(broken)('finds: %s', (message, play) => {
    const recorder = new Recorder({ viewLength })
    play(recorder)
    expect(recorder.violations).toEqual([message])
    expect(() => recorder.check()).toThrow(new ConformanceError(message))
  })

  it('finds a call inside another', () => {
    const recorder = new Recorder({ viewLength, onDrained: () => recorder.buffer() })
    recorder.drained()
    expect(recorder.violations).toEqual(['buffer() was called inside drained()'])
  })

  it('finds any call but closed() after destroy()', () => {
    const recorder = new Recorder({ viewLength })
    const destroyed: unknown[] = []
    const reason = new Error('enough')
    recorder.destroy({ destroy: (why?: Error) => void destroyed.push(why) } as never, reason)
    expect(destroyed).toEqual([reason])
    recorder.buffer()
    recorder.closed()
    expect(recorder.violations).toEqual(['buffer() was called after destroy()'])
  })

  it('resolves until() once the condition holds', async () => {
    const recorder = new Recorder({ viewLength })
    const ended = recorder.until(() => recorder.endedCount === 1)
    recorder.drained()
    recorder.ended()
    await ended
    await recorder.until(() => true)
  })

  it('rejects until() at the first violation', async () => {
    const recorder = new Recorder({ viewLength })
    const ended = recorder.until(() => recorder.endedCount === 1)
    recorder.received(1)
    await expect(ended).rejects.toThrow('received() came without a view')
  })
})
