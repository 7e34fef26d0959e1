import { readFileSync } from 'node:fs'
import { describe, expect, it } from '@jest/globals'

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8')

describe('README.md', () => {
  it('shows the example that is run here', () => {
    expect(read('../README.md')).toContain(`\`\`\`ts\n${read('readme/my-transport.test.ts')}\`\`\`\n`)
  })
})
