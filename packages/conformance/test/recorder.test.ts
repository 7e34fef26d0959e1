import { describe, expect, it } from '@jest/globals'
import { ConformanceError } from '@nbdjs/conformance'
import { Recorder } from '../src/recorder.js'

const viewLength = (): number => 4

describe('Recorder', () => {
  it('records the bytes and the calls', () => {
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
    expect(recorder.summary).toBe('4 bytes received, drained() 1x, ended() 1x, closed(undefined)')
    expect(recorder.violations).toEqual([])
    expect(() => recorder.check()).not.toThrow()
  })

  it('allows repeated calls of buffer()', () => {
    const recorder = new Recorder({ viewLength })
    recorder.buffer()
    recorder.buffer()
    recorder.received(1)
    expect(recorder.violations).toEqual([])
  })

  const violations: readonly (readonly [string, (recorder: Recorder) => void])[] = [
    ['received() was called without a view from buffer()', (recorder) => recorder.received(1)],
    [
      'received(): count: expected 1 to 4, the length of the view, received 5',
      (recorder) => {
        recorder.buffer()
        recorder.received(5)
      },
    ],
    [
      'received(): count: expected 1 to 4, the length of the view, received 0',
      (recorder) => {
        recorder.buffer()
        recorder.received(0)
      },
    ],
    [
      'received(): count: expected 1 to 4, the length of the view, received 1.5',
      (recorder) => {
        recorder.buffer()
        recorder.received(1.5)
      },
    ],
    [
      'bytes after the end of the view were overwritten',
      (recorder) => {
        const view = recorder.buffer()
        new Uint8Array(view.buffer)[view.byteOffset + view.length] = 0
        recorder.received(1)
      },
    ],
    [
      'bytes before the start of the view were overwritten',
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
      'received() was called after ended()',
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
    [
      'closed(): error: expected an Error or undefined, received "why"',
      (recorder) => recorder.closed('why' as never),
    ],
  ]

  it.each(violations)('detects: %s', (message, act) => {
    const recorder = new Recorder({ viewLength })
    act(recorder)
    expect(recorder.violations).toEqual([message])
    expect(() => recorder.check()).toThrow(new ConformanceError(message))
  })

  it('detects a call inside another', () => {
    const recorder = new Recorder({ viewLength, onDrained: () => recorder.buffer() })
    recorder.drained()
    expect(recorder.violations).toEqual(['buffer() was called inside drained()'])
  })

  it('detects any call except closed() after destroy()', () => {
    const recorder = new Recorder({ viewLength })
    const destroyed: unknown[] = []
    const reason = new Error('destroyed by the test')
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
    await expect(ended).rejects.toThrow('received() was called without a view')
  })
})
