import { describe, expect, it } from '@jest/globals'
import { runScenarios, type Scenario, type ScenarioResult, type SuiteOptions } from '@nbdjs/conformance'

const scenario = (name: string, run: () => Promise<void>): Scenario<SuiteOptions> => ({
  name,
  needs: undefined,
  timeLimitMs: 1000,
  run,
})

describe('runScenarios', () => {
  it('runs one after the other, tells each result, and goes on after a failure', async () => {
    const failure = new Error('broken')
    const told: string[] = []
    const results = await runScenarios(
      [
        scenario('good', async () => void told.push('good runs')),
        scenario('bad', () => Promise.reject(failure)),
        scenario('odd', () => Promise.reject(undefined)),
        scenario('last', async () => void told.push('last runs')),
      ],
      {},
      ({ name }: ScenarioResult) => told.push(`${name} is known`),
    )
    expect(told).toEqual([
      'good runs',
      'good is known',
      'bad is known',
      'odd is known',
      'last runs',
      'last is known',
    ])
    expect(results.map(({ name, error }) => [name, error])).toEqual([
      ['good', undefined],
      ['bad', failure],
      ['odd', new Error('rejected with undefined')],
      ['last', undefined],
    ])
  })
})
