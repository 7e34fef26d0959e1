import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Runs `body` with an empty folder, and removes it. */
export const withScratchFolder = async (body: (folder: string) => Promise<void>): Promise<void> => {
  const folder = await mkdtemp(join(tmpdir(), 'nbdjs-bench-'))
  try {
    await body(folder)
  } finally {
    await rm(folder, { recursive: true })
  }
}
