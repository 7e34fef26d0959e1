import { readFileSync } from 'node:fs'
import { describe, expect, it } from '@jest/globals'

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8')

describe('README.md', () => {
  it.each(['my-transport.test.ts', 'my-transport.ts'])('shows %s as it is tested here', (name) => {
    expect(read('../README.md')).toContain(`\`\`\`ts\n${read(`readme/${name}`)}\`\`\`\n`)
  })
})
