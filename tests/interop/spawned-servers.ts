import { readdirSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { expect } from '@jest/globals'
import { connect, type Handle, type Transport } from '@nbdjs/core'
import type { ProcessOptions, Subprocess } from '@nbdjs/transport-process'
import { firstDifference } from './first-difference.js'
import { noise } from './noise.js'

/** Whether the process exists, zombies included: signal 0 reaches both (kill(2)). */
export const isRunning = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** Options that record the started processes. */
export const watched = (): { options: ProcessOptions; spawned: Subprocess[] } => {
  const spawned: Subprocess[] = []
  return { options: { onSpawn: (subprocess) => spawned.push(subprocess) }, spawned }
}

/** Resolves once all processes are gone: a handle that failed does not wait for its server. */
export const untilGone = async (spawned: readonly Subprocess[]): Promise<void> => {
  while (spawned.some(({ pid }) => isRunning(pid))) await delay(10)
}

/** Writes the whole export, with reads and writes at once, and reads it in pieces. Returns the written data. */
export const useWell = async (nbd: Handle): Promise<Uint8Array> => {
  const size = Number(nbd.info.size)
  const whole = noise(size)
  const half = size / 2
  await nbd.pwrite(whole.subarray(0, half), 0)
  const [read] = await Promise.all([nbd.pread(half, 0), nbd.pwrite(whole.subarray(half), half)])
  expect(firstDifference(read, whole.subarray(0, half))).toBeUndefined()
  const length = 65536
  const offsets = Array.from({ length: size / length }, (_, index) => index * length)
  const pieces = await Promise.all(offsets.map((offset) => nbd.pread(length, offset)))
  for (const [index, piece] of pieces.entries()) {
    expect(firstDifference(piece, whole.subarray(index * length, (index + 1) * length))).toBeUndefined()
  }
  if (nbd.info.canFlush) await nbd.flush()
  return whole
}

/** Shuts down and checks that the server process is gone. */
export const endWell = async (nbd: Handle, spawned: readonly Subprocess[]): Promise<void> => {
  await nbd.shutdown()
  expect(nbd.state).toBe('closed')
  await nbd.closed
  expect(spawned).toHaveLength(1)
  expect(spawned.filter(({ pid }) => isRunning(pid))).toEqual([])
}

/** Ends pairs of handles by shutdown, destroy and abort, and checks that nothing is left open. */
export const endInEveryWay = async (make: (options: ProcessOptions) => Transport): Promise<void> => {
  const { options, spawned } = watched()
  const transport = make(options)
  const descriptors = (): number => readdirSync('/proc/self/fd').length
  // The first one may load modules that remain.
  await (await connect(transport)).shutdown()
  const before = descriptors()
  const reason = new Error('ended by the test')
  for (let round = 0; round < 4; round++) {
    const [first, second] = await Promise.all([connect(transport), connect(transport)])
    await first.pwrite(noise(512), 0)
    expect(await second.pread(512, 0)).toEqual(new Uint8Array(512))
    second.destroy(reason)
    await expect(second.closed).rejects.toBe(reason)
    await first.shutdown()
    const controller = new AbortController()
    const aborted = connect(transport, { signal: controller.signal })
    setImmediate(() => controller.abort(reason))
    await expect(aborted).rejects.toBe(reason)
  }
  await untilGone(spawned)
  expect(spawned.length).toBeGreaterThanOrEqual(9)
  expect(descriptors()).toBe(before)
}
