import { expect, it } from '@jest/globals'
import { libnbdCalls } from '../../spec/libnbd/calls.js'
import { describeWith } from './peers/describe-with.js'
import { exportedSymbols } from './peers/exported-symbols.js'
import { libraryPath } from './peers/installation.js'

describeWith('libnbd', { programs: ['nbdinfo'], installation: 'newest' }, () => {
  it('exports exactly the calls that spec/libnbd lists', () => {
    const calls = exportedSymbols(libraryPath('libnbd.so.0')).filter((name) => name.startsWith('nbd_'))
    expect(calls).toEqual(libnbdCalls)
  })
})
