import type { TestEvent } from 'node:test/reporters'

/**
 * Reports each test on a line, in the Test Anything Protocol. The plan comes last: if it is missing, the run was not
 * complete.
 */
export default async function* tapReporter(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const path: string[] = []
  let count = 0
  for await (const { type, data } of events) {
    if (type === 'test:start') {
      path.length = data.nesting
      path.push(data.name)
    }
    if (type !== 'test:pass' && type !== 'test:fail') continue

    const isSuite = data.details.type === 'suite'
    // A suite that failed because of its tests is not reported again.
    if (isSuite && (type === 'test:pass' || isByItsTests(data.details.error))) continue
    count += 1
    const name = [...path.slice(0, data.nesting), data.name].join(' > ').replaceAll('#', '\\#')
    const directive = data.skip !== undefined ? ' # SKIP' : data.todo !== undefined ? ' # TODO' : ''
    yield `${type === 'test:pass' ? 'ok' : 'not ok'} ${count} - ${name}${directive}\n`
    if (type === 'test:fail') yield comment(describe(data.details.error))
  }
  yield `1..${count}\n`
}

function isByItsTests(error: Error): boolean {
  return 'failureType' in error && error.failureType === 'subtestsFailed'
}

function describe(error: Error): string {
  const cause = error.cause ?? error
  return cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)
}

function comment(text: string): string {
  return text.replace(/^/gm, '# ').replace(/(?:\n# )?$/, '\n')
}
