import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { exportSize } from './workload.js'

/** Runs `body` beside an `nbdkit null`, which answers reads with zeroes and stores nothing. */
export const withNullServer = async (body: (path: string) => Promise<void>): Promise<void> => {
  const folder = await mkdtemp(join(tmpdir(), 'nbdjs-bench-'))
  const path = join(folder, 'nbd.sock')
  const server = spawn('nbdkit', ['--foreground', '-U', path, 'null', String(exportSize)], {
    stdio: 'inherit',
  })
  const ended = new Promise((resolve) => server.once('exit', resolve))
  try {
    await once(server, 'spawn').catch((error: Error) => {
      throw new Error(`nbdkit could not be started (${error.message}): scripts/prepare-peers.mjs installs it`)
    })
    while (!existsSync(path)) {
      if (server.exitCode !== null) throw new Error(`nbdkit ended with exit code ${server.exitCode}`)
      await delay(10)
    }
    await body(path)
  } finally {
    if (server.kill()) await ended
    await rm(folder, { recursive: true })
  }
}
