import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { pathOf } from '../process.js'
import { withScratchFolder } from './scratch-folder.js'

/** Runs `body` beside the embedded server with an empty disk of `size` bytes, in a process of its own. */
export const withEmbeddedServer = (size: number, body: (uri: string) => Promise<void>): Promise<void> =>
  withScratchFolder(async (folder) => {
    const path = join(folder, 'nbd.sock')
    const args = [pathOf('embedded-server.js'), path, String(size)]
    const server = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] })
    try {
      await once(server.stdout, 'data')
      await body(`nbd+unix:///?socket=${path}`)
    } finally {
      server.stdin.end()
      await once(server, 'close')
    }
  })
