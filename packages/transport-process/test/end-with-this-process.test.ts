import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe, expect, it } from '@jest/globals'
import { endWithThisProcess, isEnded } from '../src/end-with-this-process.js'

const sleeping = (): ChildProcess => spawn('sleep', ['60'], { stdio: 'ignore' })

describe('endWithThisProcess', () => {
  it('has one listener for all children, which sends SIGTERM, and none when they are gone', async () => {
    const before = process.listeners('exit')
    const children = [sleeping(), sleeping()]
    for (const child of children) endWithThisProcess(child)
    const ours = process.listeners('exit').filter((listener) => !before.includes(listener))
    expect(ours).toHaveLength(1)

    const exits = children.map((child) => once(child, 'exit'))
    ours[0]?.call(process, 0)
    expect(await Promise.all(exits)).toEqual([
      [null, 'SIGTERM'],
      [null, 'SIGTERM'],
    ])
    expect(process.listeners('exit')).toEqual(before)
  })
})

describe('isEnded', () => {
  it('is so by exit code or by signal', async () => {
    const [killed, done] = [sleeping(), spawn('true')]
    expect(isEnded(killed)).toBe(false)
    killed.kill()
    await Promise.all([once(killed, 'exit'), once(done, 'exit')])
    expect([isEnded(killed), isEnded(done)]).toEqual([true, true])
  })
})
