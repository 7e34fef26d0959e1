import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from '@jest/globals'

const repository = fileURLToPath(new URL('../..', import.meta.url))
const run = promisify(execFile)

it('writes and verifies over TCP and over a unix socket', async () => {
  const { stdout, stderr } = await run(process.execPath, ['examples/dist/start.js'], { cwd: repository })
  expect(stderr).toBe('')
  const reports = stdout.trim().split('\n\n')
  expect(reports).toHaveLength(2)
  expect(reports[0]).toMatch(/^tcp:\/\/localhost:\d+\n/)
  expect(reports[1]).toMatch(/^unix:\//)
  for (const report of reports) {
    expect(report).toContain('1073741824 bytes (1 GiB)')
    for (const step of ['written', 'read back', 'verified', 'zeroed', 'trimmed', 'flushed', 'shut down']) {
      expect(report).toContain(`\n  ${step} `)
    }
  }
})

it('fails with the error of the transport if no server listens', async () => {
  const args = ['examples/dist/start.js', 'nbd+unix:///?socket=/nonexistent/nbd.sock']
  const starting = run(process.execPath, args, { cwd: repository })
  await expect(starting).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^NbdTransportError: .*\/nonexistent\/nbd\.sock.*ENOENT/),
  })
})
