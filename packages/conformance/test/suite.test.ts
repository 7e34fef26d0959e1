import { describe, expect, it } from '@jest/globals'
import {
  type ConnectionSetup,
  connectionScenarios,
  describeConnection,
  describeTransport,
  runScenarios,
  type Scenario,
  type ScenarioResult,
  type SuiteOptions,
  type TestRunner,
  type TransportSetup,
  transportScenarios,
} from '@nbdjs/conformance'
import { NbdUsageError } from '@nbdjs/core'
import { memorySetup } from './memory-setup.js'

/** A test runner that only records the tests. */
class RecordingRunner implements TestRunner {
  readonly groups: string[] = []
  readonly tests: { readonly name: string; readonly body: () => Promise<void>; readonly limitMs: number }[] =
    []

  readonly describe = (name: string, body: () => void): void => {
    this.groups.push(name)
    body()
  }

  readonly it = (name: string, body: () => Promise<void>, limitMs: number): void => {
    this.tests.push({ name, body, limitMs })
  }
}

const names = transportScenarios().map(({ name }) => name)
const silentName = transportScenarios().find(({ needs }) => needs === 'silent')?.name

describe('describeTransport', () => {
  it('declares a test for each scenario', async () => {
    const runner = new RecordingRunner()
    describeTransport('mine', memorySetup(), runner)
    expect(runner.groups).toEqual(['mine'])
    expect(runner.tests.map(({ name }) => name)).toEqual(names)
    await runner.tests[0]?.body()
  })

  it('declares tests that fail if the scenario fails', async () => {
    const runner = new RecordingRunner()
    const refused = (): Promise<never> => Promise.reject(new Error('broken'))
    describeTransport('mine', { ...memorySetup(), refused }, runner)
    const test = runner.tests.find(({ name }) => name.startsWith('dial: if refused, it rejects'))
    await expect(test?.body()).rejects.toThrow('broken')
  })

  it('omits the scenario that needs a silent target if the setup has none', () => {
    const runner = new RecordingRunner()
    const { silent, ...setup } = memorySetup()
    expect(silent).toBeDefined()
    expect(names).toContain(silentName)
    describeTransport('mine', setup, runner)
    expect(runner.tests.map(({ name }) => name)).toEqual(names.filter((name) => name !== silentName))
  })

  it('gives each test more time than its scenario takes', () => {
    const runner = new RecordingRunner()
    describeTransport('mine', memorySetup({ timeScale: 2 }), runner)
    for (const [index, { timeLimitMs }] of transportScenarios().entries()) {
      expect(runner.tests[index]?.limitMs).toBeGreaterThan(2 * timeLimitMs)
    }
  })

  it('uses the global describe and it, and says what to do if there are none', () => {
    const { describe: globalDescribe, it: globalIt } = globalThis as Partial<TestRunner>
    const runner = new RecordingRunner()
    try {
      Object.assign(globalThis, { describe: runner.describe, it: runner.it })
      describeTransport('mine', memorySetup())
      expect(runner.groups).toEqual(['mine'])
      Object.assign(globalThis, { describe: undefined, it: undefined })
      expect(() => describeTransport('mine', memorySetup())).toThrow(
        'describeTransport: runner: expected the describe and it of your test runner, because there are no global ' +
          'ones, received undefined',
      )
    } finally {
      Object.assign(globalThis, { describe: globalDescribe, it: globalIt })
    }
  })
})

const connectionSetup: ConnectionSetup = { link: () => Promise.reject(new Error('unused')) }

describe('describeConnection', () => {
  it('declares a test for each scenario except those of the dial', () => {
    const runner = new RecordingRunner()
    describeConnection('mine', connectionSetup, runner)
    const declared = runner.tests.map(({ name }) => name)
    expect(declared).toEqual(connectionScenarios().map(({ name }) => name))
    expect(names).toEqual([...names.filter((name) => /^(address|uri|dial):/.test(name)), ...declared])
  })
})

describe('a setup', () => {
  const { listen, refused } = memorySetup()
  const wrong: readonly (readonly [string, object])[] = [
    ['listen: expected a function, received undefined', { refused }],
    ['refused: expected a function, received "tcp"', { listen, refused: 'tcp' }],
    ['timeScale: expected a number greater than 0, received 0', { listen, refused, timeScale: 0 }],
    [
      "unknown option 'slient', expected one of listen, refused, silent, openResources, timeScale",
      { listen, refused, slient: refused },
    ],
  ]

  it.each(wrong)('is rejected: %s', async (message, setup) => {
    const error = new NbdUsageError(`TransportSetup: ${message}`)
    expect(() => describeTransport('mine', setup as TransportSetup, new RecordingRunner())).toThrow(error)
    await expect(transportScenarios()[0]?.run(setup as TransportSetup)).rejects.toThrow(error)
  })

  it('of a connection is rejected by its own rules', () => {
    const setup = { ...connectionSetup, listen }
    expect(() => describeConnection('mine', setup, new RecordingRunner())).toThrow(
      "ConnectionSetup: unknown option 'listen', expected one of link, close, openResources, timeScale",
    )
  })
})

describe('the names of the scenarios', () => {
  it('are unique', () => {
    expect(new Set(names).size).toBe(names.length)
  })
})

interface PartialSetup extends SuiteOptions {
  readonly silent?: () => void
}

const scenario = (name: string, run: () => Promise<void>): Scenario<PartialSetup> => ({
  name,
  needs: undefined,
  timeLimitMs: 1000,
  run,
})

describe('runScenarios', () => {
  it('runs one scenario after the other, reports each result, and continues after a failure', async () => {
    const failure = new Error('broken')
    const log: string[] = []
    const results = await runScenarios<PartialSetup>(
      [
        scenario('good', async () => void log.push('good runs')),
        scenario('bad', () => Promise.reject(failure)),
        scenario('odd', () => Promise.reject(undefined)),
        { ...scenario('partial', async () => void log.push('partial runs')), needs: 'silent' },
        scenario('last', async () => void log.push('last runs')),
      ],
      {},
      ({ name }: ScenarioResult) => log.push(`${name} is reported`),
    )
    expect(log).toEqual([
      'good runs',
      'good is reported',
      'bad is reported',
      'odd is reported',
      'partial is reported',
      'last runs',
      'last is reported',
    ])
    expect(results.map(({ name, error, skipReason }) => [name, error ?? skipReason])).toEqual([
      ['good', undefined],
      ['bad', failure],
      ['odd', new Error('rejected with undefined')],
      ['partial', 'the setup has no silent()'],
      ['last', undefined],
    ])
  })
})
