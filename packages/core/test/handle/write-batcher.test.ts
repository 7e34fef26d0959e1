import { expect, test } from '@jest/globals'
import { WriteBatcher } from '../../src/handle/write-batcher.js'
import { microtasks, settled } from './settle-promises.js'

test('runs the task once, however often it is scheduled', async () => {
  let runs = 0
  const turn = new WriteBatcher(() => runs++)
  turn.schedule()
  turn.schedule()
  await microtasks(3)
  turn.schedule()
  expect(runs).toBe(0)
  await settled()
  expect(runs).toBe(1)
})

test('runs it before any timer or I/O, and can be scheduled again', async () => {
  let runs = 0
  const turn = new WriteBatcher(() => runs++)
  for (let turns = 1; turns <= 3; turns++) {
    turn.schedule()
    await settled()
    expect(runs).toBe(turns)
  }
})

test('waits for callers that return a few microtasks later', async () => {
  const runsAfter: number[] = []
  let asked = 0
  const turn = new WriteBatcher(() => runsAfter.push(asked))
  for (let late = 0; late <= 15; late++) {
    void microtasks(late).then(() => {
      asked++
      turn.schedule()
    })
  }
  await settled()
  expect(runsAfter).toEqual([16])
})

test('stops waiting once all expected requests were submitted', async () => {
  let runs = 0
  const turn = new WriteBatcher(() => runs++)
  turn.expectRequests(3)
  for (const asked of [1, 2, 3]) {
    expect(runs).toBe(0)
    turn.schedule()
    await microtasks(asked === 3 ? 3 : 10)
  }
  expect(runs).toBe(1)
})

test('waits the usual time for an unexpected request, and resets the expected number', async () => {
  const after: number[] = []
  let passed = 0
  const turn = new WriteBatcher(() => after.push(passed))
  turn.expectRequests(1)
  turn.schedule()
  turn.schedule()
  for (; passed < 40; passed++) await microtasks(1)
  turn.expectRequests(5)
  turn.schedule()
  await settled()
  turn.expectRequests(1)
  turn.schedule()
  for (; passed < 45; passed++) await microtasks(1)
  expect(after).toHaveLength(3)
  expect(after[0]).toBeGreaterThan(5)
})

test('has an upper limit', async () => {
  let runs = 0
  const turn = new WriteBatcher(() => runs++)
  for (let asked = 0; asked < 1000; asked++) {
    turn.schedule()
    await microtasks(1)
  }
  expect(runs).toBeGreaterThan(1)
  await settled()
})

test('a task that schedules again runs again', async () => {
  let runs = 0
  const turn: WriteBatcher = new WriteBatcher(() => {
    runs++
    if (runs < 3) turn.schedule()
  })
  turn.schedule()
  await settled()
  expect(runs).toBe(3)
})
