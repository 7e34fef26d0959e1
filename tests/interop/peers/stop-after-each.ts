import { afterEach } from '@jest/globals'
import { stopPeers } from './peer-process.js'
import { removeScratchFolders } from './scratch.js'

afterEach(async () => {
  await stopPeers()
  removeScratchFolders()
})
