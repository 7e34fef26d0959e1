import { describe, expect, it } from '@jest/globals'
import { type ConnectionSetup, connectionPeer } from '@nbdjs/conformance'
import { memoryPair } from '@nbdjs/core/memory'
import { perform } from '../src/scenario.js'
import { ConnectionStage, type Stage } from '../src/stage.js'

/** Pairs in memory, with a count of those that are still open at the end. */
class CountingSetup implements ConnectionSetup {
  open = 0
  closeCount = 0
  readonly timeScale: number = 0.05

  async link() {
    const [connection, far] = memoryPair()
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

const run = (setup: ConnectionSetup, play: (stage: Stage) => Promise<void>): Promise<void> =>
  perform({ name: 'test', play }, new ConnectionStage(setup))

describe('perform', () => {
  it('destroys what the scenario left and closes the setup, when it passes', async () => {
    const setup = new CountingSetup()
    await run(setup, async (stage) => {
      await stage.link()
      await stage.startedLink()
    })
    expect(setup).toMatchObject({ open: 0, closeCount: 1 })
  })

  it('does so when it fails, and hands on the failure', async () => {
    const setup = new CountingSetup()
    const failure = new Error('broken')
    const failing = run(setup, async (stage) => {
      await stage.startedLink()
      throw failure
    })
    await expect(failing).rejects.toBe(failure)
    expect(setup).toMatchObject({ open: 0, closeCount: 1 })
  })

  it('does so when it hangs, and tells what it waited for and how far it came', async () => {
    const setup = new CountingSetup()
    const hanging = run(setup, async (stage) => {
      const { peer, recorder } = await stage.startedLink()
      await peer.write(new Uint8Array(3))
      await peer.end()
      await stage.waitFor(
        'the rest',
        recorder.until(() => recorder.receivedLength > 3),
      )
    })
    await expect(hanging).rejects.toThrow(
      'hangs: waited 500 ms for the rest; receiver 1: received 3 bytes, drained 0, ended 1, not closed',
    )
    expect(setup).toMatchObject({ open: 0, closeCount: 1 })
  })

  it('does not hang when the setup does', async () => {
    const setup = new CountingSetup()
    setup.close = () => new Promise<void>(() => {})
    await expect(run(setup, async () => {})).rejects.toThrow('hangs: waited 500 ms for the setup to close')
    const failure = new Error('broken')
    await expect(run(setup, () => Promise.reject(failure))).rejects.toBe(failure)
  })

  it('fails when a receiver saw the contract broken, though the scenario did not look', async () => {
    const setup = new CountingSetup()
    const breaking = run(setup, async (stage) => {
      const { recorder } = await stage.startedLink()
      recorder.received(1)
    })
    await expect(breaking).rejects.toThrow('received() came without a view from buffer()')
  })
})
