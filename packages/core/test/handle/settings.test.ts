import { expect, test } from '@jest/globals'
import { Handle, type HandleOptions, type ResolvedOptions } from '@nbdjs/core'
import { parseOptions } from '../../src/options.js'
import { negotiating } from './connected.js'
import { watchLeaks } from './leaks.js'
import { StandInTls } from './stand-in-tls.js'

watchLeaks()

const { name, tlsProvider, uri, ...defaults } = parseOptions('Handle', undefined)

test('are the defaults of absent options', () => {
  expect(new Handle().settings).toEqual(defaults)
})

const given: readonly (HandleOptions & Partial<ResolvedOptions>)[] = [
  // libnbd: nbd_get_export_name
  { exportName: 'disk' },
  // libnbd: nbd_get_full_info
  { fullInfo: true },
  // libnbd: nbd_get_request_block_size
  { requestBlockSize: false },
  // libnbd: nbd_get_request_structured_replies
  { requestStructuredReplies: false },
  // libnbd: nbd_get_request_extended_headers
  { requestExtendedHeaders: false },
  // libnbd: nbd_get_request_meta_context
  { requestMetaContext: false },
  // libnbd: nbd_get_nr_meta_contexts, nbd_get_meta_context
  { metaContexts: ['base:allocation', 'qemu:allocation-depth'] },
  { handshakeFlags: { fixedNewstyle: true, noZeroes: false } },
  // libnbd: nbd_get_strict_mode
  { strict: { ...defaults.strict, bounds: false } },
  { limits: { ...defaults.limits, listEntries: 7 } },
  { timeouts: { ...defaults.timeouts, dialMs: 7 } },
]

test.each(given)('are the given options: %j', (options) => {
  expect(new Handle(options).settings).toEqual({ ...defaults, ...options })
})

// libnbd: nbd_get_tls
test('have the mode of TLS, without the provider', () => {
  const { settings } = new Handle({ name: 'backup', tls: 'require', tlsProvider: new StandInTls() })
  expect(settings).toEqual({ ...defaults, tls: 'require' })
})

test('include changes by the setters, and remain after the end', async () => {
  const { handle } = await negotiating()
  handle.setExportName('other')
  handle.setFullInfo(true)
  handle.setRequestBlockSize(false)
  handle.setRequestMetaContext(false)
  handle.addMetaContext('base:allocation')
  const changed = {
    ...defaults,
    ...{ exportName: 'other', fullInfo: true },
    ...{ requestBlockSize: false, requestMetaContext: false, metaContexts: ['base:allocation'] },
  }
  expect(handle.settings).toEqual(changed)
  handle.clearMetaContexts()
  handle.destroy()
  expect(handle.settings).toEqual({ ...changed, metaContexts: [] })
})

test('are a copy: changing it has no effect', () => {
  const handle = new Handle()
  Object.assign(handle.settings.strict, { bounds: false })
  expect(handle.settings).toEqual(defaults)
})
