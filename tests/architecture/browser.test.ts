import { join } from 'node:path'
import { expect, it } from '@jest/globals'
import { build } from 'esbuild'
import { repository } from './source-files.js'

// esbuild refuses an import of Node's own modules for this platform.
it.each(['index.js', 'wire/index.js', 'in-process.js', 'upgrade.js'])(
  'bundles core for a browser: dist/%s',
  async (entry) => {
    const { metafile, errors, warnings } = await build({
      entryPoints: [join(repository, 'packages/core/dist', entry)],
      bundle: true,
      platform: 'browser',
      format: 'esm',
      write: false,
      metafile: true,
      logLevel: 'silent',
    })
    expect([...errors, ...warnings]).toEqual([])
    expect(Object.values(metafile.outputs).flatMap(({ imports }) => imports)).toEqual([])
  },
)
