/** The files of the virtual machine that are tested: the built packages, and the test program. */
import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { makeArchive } from './archive.mjs'
import { repository } from './cache.mjs'
import { moduleNames } from './kernel.mjs'
import { libraryEntries } from './libraries.mjs'

const guestFolder = fileURLToPath(new URL('../guest', import.meta.url))

/** The packages that the test program imports. */
const imported = ['@nbdjs/conformance', '@nbdjs/core', '@nbdjs/transport-vsock']

/**
 * @param {string} workFolder
 * @returns {Promise<string>} The path of the archive.
 */
export const makeAppArchive = async (workFolder) => {
  mkdirSync(workFolder, { recursive: true })
  const programs = await build({
    entryPoints: [join(guestFolder, 'main.ts'), join(guestFolder, 'tap-reporter.ts')],
    outdir: join(workFolder, 'out'),
    outExtension: { '.js': '.mjs' },
    bundle: true,
    // The packages are not bundled: the published files are tested.
    packages: 'external',
    platform: 'node',
    format: 'esm',
    target: 'node20',
    sourcemap: 'inline',
    write: false,
  })
  const packages = packageEntries()
  const entries = [
    { path: 'init', text: readFileSync(join(guestFolder, 'init.sh'), 'utf8'), isProgram: true },
    { path: 'modules/order', text: `${moduleNames.join('\n')}\n` },
    ...programs.outputFiles.map(({ path, text }) => ({
      path: join('app', path.slice(workFolder.length + 4)),
      text,
    })),
    ...packages,
    ...libraryEntries(packages.flatMap(({ from }) => addonsOf(from))),
  ]
  return makeArchive(entries, workFolder)
}

/** All required packages, in one flat folder. */
const packageEntries = () => {
  /** @type {Map<string, string>} */
  const folders = new Map()
  for (const name of imported) collect(name, repository, folders)
  return [...folders].flatMap(([name, folder]) => {
    const target = join('app/node_modules', name)
    if (!name.startsWith('@nbdjs/')) return [{ path: target, from: folder }]
    return ['package.json', 'dist'].map((part) => ({ path: join(target, part), from: join(folder, part) }))
  })
}

/** @param {string} folder */
const addonsOf = (folder) =>
  statSync(folder).isDirectory()
    ? readdirSync(folder)
        .filter((name) => name.endsWith('.node'))
        .map((name) => join(folder, name))
    : []

/**
 * @param {string} name
 * @param {string} importer The folder of the package that imports it.
 * @param {Map<string, string>} folders
 */
const collect = (name, importer, folders) => {
  const folder = findPackage(name, importer)
  const known = folders.get(name)
  if (known === folder) return
  if (known !== undefined) throw new Error(`${name}: expected one version, found ${known} and ${folder}`)
  folders.set(name, folder)
  const { dependencies, optionalDependencies } = JSON.parse(
    readFileSync(join(folder, 'package.json'), 'utf8'),
  )
  for (const dependency of Object.keys(dependencies ?? {})) collect(dependency, folder, folders)
  for (const dependency of Object.keys(optionalDependencies ?? {})) {
    if (lookUp(dependency, folder) !== undefined) collect(dependency, folder, folders)
  }
}

/**
 * @param {string} name
 * @param {string} importer
 */
const findPackage = (name, importer) => {
  const folder = lookUp(name, importer)
  if (folder === undefined) throw new Error(`${name} is not installed, ${importer} needs it.`)
  return folder
}

/**
 * Searches node_modules of each parent folder, like Node.
 *
 * @param {string} name
 * @param {string} folder
 * @returns {string | undefined}
 */
const lookUp = (name, folder) => {
  const path = join(folder, 'node_modules', name)
  if (existsSync(path)) return realpathSync(path)
  const parent = dirname(folder)
  return parent === folder ? undefined : lookUp(name, parent)
}
