import { describe, expect, it } from '@jest/globals'
import {
  type ConnectionSetup,
  connectionScenarios,
  describeConnection,
  describeTransport,
  type TestRunner,
  transportScenarios,
} from '@nbdjs/conformance'
import { memorySetup } from './memory-setup.js'

/** A runner that keeps what it is told. */
class FakeRunner implements TestRunner {
  readonly suites: string[] = []
  readonly tests: { readonly name: string; readonly body: () => Promise<void>; readonly limitMs: number }[] =
    []

  readonly describe = (name: string, body: () => void): void => {
    this.suites.push(name)
    body()
  }

  readonly it = (name: string, body: () => Promise<void>, limitMs: number): void => {
    this.tests.push({ name, body, limitMs })
  }
}

const silentName = transportScenarios().find(({ needs }) => needs === 'silent')?.name

describe('describeTransport', () => {
  it('makes a test of every scenario', async () => {
    const runner = new FakeRunner()
    describeTransport('mine', memorySetup(), runner)
    expect(runner.suites).toEqual(['mine'])
    expect(runner.tests.map(({ name }) => name)).toEqual(transportScenarios().map(({ name }) => name))
    await runner.tests[0]?.body()
  })

  it('makes tests that fail when the scenario does', async () => {
    const runner = new FakeRunner()
    describeTransport(
      'mine',
      { ...memorySetup(), refused: () => Promise.reject(new Error('broken')) },
      runner,
    )
    const test = runner.tests.find(({ name }) => name.startsWith('dial: a refused one rejects'))
    await expect(test?.body()).rejects.toThrow('broken')
  })

  it('leaves out the scenario that needs a silent target when there is none', () => {
    const runner = new FakeRunner()
    const { silent, ...setup } = memorySetup()
    expect(silent).toBeDefined()
    describeTransport('mine', setup, runner)
    const expected = transportScenarios().map(({ name }) => name)
    expect(runner.tests.map(({ name }) => name)).toEqual(expected.filter((name) => name !== silentName))
    expect(expected).toContain(silentName)
  })

  it('allows each test more time than its scenario has', () => {
    const runner = new FakeRunner()
    describeTransport('mine', memorySetup({ timeScale: 2 }), runner)
    for (const [index, { timeLimitMs }] of transportScenarios().entries()) {
      expect(runner.tests[index]?.limitMs).toBeGreaterThan(2 * 2 * timeLimitMs)
    }
  })

  it('takes the runner of the global scope, and says so when there is none', () => {
    const { describe: globalDescribe, it: globalIt } = globalThis as Partial<TestRunner>
    const runner = new FakeRunner()
    try {
      Object.assign(globalThis, { describe: runner.describe, it: runner.it })
      describeTransport('mine', memorySetup())
      expect(runner.suites).toEqual(['mine'])
      Object.assign(globalThis, { describe: undefined, it: undefined })
      expect(() => describeTransport('mine', memorySetup())).toThrow('pass those of your test runner')
    } finally {
      Object.assign(globalThis, { describe: globalDescribe, it: globalIt })
    }
  })
})

describe('describeConnection', () => {
  it('makes a test of every scenario but those of dialling', () => {
    const runner = new FakeRunner()
    describeConnection('mine', {} as ConnectionSetup, runner)
    const names = runner.tests.map(({ name }) => name)
    expect(names).toEqual(connectionScenarios().map(({ name }) => name))
    expect(transportScenarios().map(({ name }) => name)).toEqual([
      ...transportScenarios()
        .map(({ name }) => name)
        .filter((name) => /^(address|uri|dial):/.test(name)),
      ...names,
    ])
  })
})

describe('the names of the scenarios', () => {
  it('are all different', () => {
    const names = transportScenarios().map(({ name }) => name)
    expect(new Set(names).size).toBe(names.length)
  })
})
