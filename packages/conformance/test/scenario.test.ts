import { describe, expect, it } from '@jest/globals'
import { connectionPeer } from '@nbdjs/conformance'
import { inProcessPair } from '@nbdjs/core/in-process'
import { failOnStall } from '../src/event-loop.js'
import { ConnectionFixture, type Fixture } from '../src/fixture.js'
import { openResources } from '../src/leaks.js'
import { runScenario } from '../src/scenario.js'

const never = new Promise<never>(() => {})

/** Pairs in memory, with the number of those that are still open. */
class CountedPairs {
  open = 0
  closeCount = 0

  async link() {
    const [connection, far] = inProcessPair()
    this.open++
    const peer = connectionPeer(far)
    const { destroy } = connection
    connection.destroy = (reason) => {
      destroy.call(connection, reason)
      connection.destroy = (again) => destroy.call(connection, again)
      this.open--
    }
    return { connection, peer }
  }

  async close() {
    this.closeCount++
  }
}

const run = (pairs: CountedPairs, body: (fixture: Fixture) => Promise<void>): Promise<void> => {
  const setup = { link: () => pairs.link(), close: () => pairs.close(), timeScale: 0.02 }
  return runScenario({ name: 'test', run: body }, new ConnectionFixture(setup))
}

describe('runScenario', () => {
  it('destroys all connections and closes the setup if the scenario passes', async () => {
    const pairs = new CountedPairs()
    await run(pairs, async (fixture) => {
      await fixture.link()
      await fixture.startedLink()
    })
    expect(pairs).toMatchObject({ open: 0, closeCount: 1 })
  })

  it('does so if the scenario fails, and rejects with its error', async () => {
    const pairs = new CountedPairs()
    const failure = new Error('broken')
    const failing = run(pairs, async (fixture) => {
      await fixture.startedLink()
      throw failure
    })
    await expect(failing).rejects.toBe(failure)
    expect(pairs).toMatchObject({ open: 0, closeCount: 1 })
  })

  it('does so if the scenario hangs, and names what it waits for and what was received', async () => {
    const pairs = new CountedPairs()
    const hanging = run(pairs, async (fixture) => {
      const { peer, recorder } = await fixture.startedLink()
      await peer.write(new Uint8Array(3))
      await peer.end()
      await fixture.waitFor('the rest', recorder.untilReceived(4))
    })
    await expect(hanging).rejects.toThrow(
      'hangs: no progress for 200 ms, waiting for the rest; ' +
        'receiver 1: 3 bytes received, drained() 0x, ended() 1x, not closed',
    )
    expect(pairs).toMatchObject({ open: 0, closeCount: 1 })
  })

  it('names the call of the peer if the scenario waits for nothing else', async () => {
    const hanging = run(new CountedPairs(), async (fixture) => {
      const { peer } = await fixture.startedLink()
      await peer.read()
    })
    await expect(hanging).rejects.toThrow(
      'hangs: no progress for 200 ms, waiting for peer.read(); receiver 1:',
    )
  })

  it('does not hang if the setup does', async () => {
    const pairs = new CountedPairs()
    pairs.close = () => never
    await expect(run(pairs, async () => {})).rejects.toThrow(
      'hangs: no progress for 200 ms, waiting for the release of the setup',
    )
    const failure = new Error('broken')
    await expect(run(pairs, () => Promise.reject(failure))).rejects.toBe(failure)
  })

  it('fails if a receiver recorded a violation that the scenario did not check', async () => {
    const pairs = new CountedPairs()
    const breaking = run(pairs, async (fixture) => {
      const { recorder } = await fixture.startedLink()
      recorder.received(1)
    })
    await expect(breaking).rejects.toThrow('received() was called without a view from buffer()')
  })
})

describe('failOnStall', () => {
  const limit = { stallMs: 60_000, totalMs: 60_000, activity: () => 0, awaited: () => 'the test' }

  it('settles as the promise does, and leaves no timer', async () => {
    const before = openResources()['Timeout'] ?? 0
    expect(await failOnStall(limit, Promise.resolve(1))).toBe(1)
    await expect(failOnStall(limit, Promise.reject(new Error('no')))).rejects.toThrow('no')
    expect(openResources()['Timeout'] ?? 0).toBe(before)
  })

  it('waits as long as there is activity', async () => {
    let looks = 0
    let finish = (): void => {}
    const done = new Promise<void>((resolve) => {
      finish = resolve
    })
    const activity = (): number => {
      looks++
      if (looks === 6) finish()
      return looks
    }
    await failOnStall({ ...limit, stallMs: 1, activity }, done)
    expect(looks).toBeGreaterThanOrEqual(6)
  })

  it('waits no longer than the total limit', async () => {
    let looks = 0
    const busy = { ...limit, stallMs: 1, totalMs: 0, activity: () => looks++ }
    await expect(failOnStall(busy, never)).rejects.toThrow('hangs: not done after 0 ms, waiting for the test')
  })
})
