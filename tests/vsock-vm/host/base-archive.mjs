/** The files of the virtual machine that rarely change: programs, their libraries, kernel modules. */
import { realpathSync } from 'node:fs'
import { join } from 'node:path'
import { findCommand } from '../../../scripts/peers/debian-packages.mjs'
import { run } from '../../../scripts/peers/privilege.mjs'
import { makeArchive } from './archive.mjs'
import { cached, fingerprint } from './cache.mjs'
import { moduleNames } from './kernel.mjs'
import { libraryEntries } from './libraries.mjs'

/**
 * @param {string} kernelFolder
 * @returns {string} The path of the archive.
 */
export const prepareBaseArchive = (kernelFolder) => {
  const entries = [...programEntries(), ...moduleEntries(kernelFolder)]
  const key = fingerprint(entries.map(({ from }) => from))
  return cached('base', `${key}.cpio`, (workFolder) => makeArchive(entries, workFolder))
}

/** @param {string} kernelFolder */
const moduleEntries = (kernelFolder) =>
  moduleNames.map((name) => ({ path: `modules/${name}.ko`, from: join(kernelFolder, `${name}.ko`) }))

const programEntries = () => {
  const programs = [
    { path: 'bin/busybox', from: requireCommand('busybox') },
    { path: 'bin/node', from: realpathSync(process.execPath) },
    { path: 'bin/nbdkit', from: requireCommand('nbdkit') },
    ...nbdkitFiles(),
  ]
  return [...programs, ...libraryEntries(programs.map(({ from }) => from))]
}

/** The plugins keep their paths, because the folder of plugins is compiled into nbdkit. */
const nbdkitFiles = () => {
  const config = run(['nbdkit', '--dump-config'])
  const folder = /^plugindir=(.+)$/m.exec(config)?.[1]
  if (folder === undefined)
    throw new Error(`nbdkit --dump-config: expected a line plugindir=..., received:\n${config}`)
  return ['pattern', 'memory'].map((name) => {
    const path = join(folder, `nbdkit-${name}-plugin.so`)
    return { path, from: path }
  })
}

/** @param {string} name */
const requireCommand = (name) => {
  const path = findCommand(name)
  if (path === undefined) throw new Error(`${name} is not installed.`)
  return realpathSync(path)
}
