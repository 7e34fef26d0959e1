import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from '@jest/globals'
import { repository } from './source-files.js'

const built = pathToFileURL(join(repository, 'packages/transport-vsock/dist/index.js')).href

/** Makes ffi-rs a package that is not installed, for an import of it. */
const withoutFfi = `data:text/javascript,${encodeURIComponent(`
  export const resolve = (specifier, context, next) => {
    if (specifier === 'ffi-rs') throw new Error('ffi-rs is not installed')
    return next(specifier, context)
  }
`)}`

const program = (platform: string): string => `
  import Module, { register } from 'node:module'
  register(${JSON.stringify(withoutFfi)})
  const resolve = Module._resolveFilename
  Module._resolveFilename = (specifier, ...context) => {
    if (specifier === 'ffi-rs') throw new Error('ffi-rs is not installed')
    return resolve(specifier, ...context)
  }
  Object.defineProperty(process, 'platform', { value: ${JSON.stringify(platform)} })
  const { supportsVsock, vsock, Cid } = await import(${JSON.stringify(built)})
  const transport = vsock(Cid.Local, 10809)
  const dial = transport.dial({ signal: new AbortController().signal })
  const message = await dial.then(() => 'it dialled', (error) => error.name + ': ' + error.message)
  console.log(JSON.stringify({ address: transport.address, supported: supportsVsock(), message }))
`

it.each(['win32', 'darwin', 'freebsd', 'aix'])(
  'imports the vsock transport on %s, without ffi-rs, and says why it cannot dial',
  async (platform) => {
    const args = ['--input-type=module', '--eval', program(platform)]
    const { stdout } = await promisify(execFile)(process.execPath, args)
    expect(JSON.parse(stdout)).toEqual({
      address: 'vsock://1:10809',
      supported: false,
      message: expect.stringMatching(new RegExp(`^NbdTransportError: .*${platform}`)),
    })
  },
)
