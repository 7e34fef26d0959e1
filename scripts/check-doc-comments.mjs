/**
 * Counts the exported symbols without a doc comment, for each published package. Fails if there is one.
 *
 *     node scripts/check-doc-comments.mjs [PACKAGE ...]
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Application, Logger, LogLevel } from 'typedoc'
import { repository } from './pnpm.mjs'

/** Keeps the messages. */
class MessageList extends Logger {
  /** @type {string[]} */
  messages = []

  /** @override @param {string} message @param {LogLevel} level */
  log(message, level) {
    if (level >= LogLevel.Warn) this.messages.push(message)
  }
}

const ours = readdirSync(join(repository, 'packages')).map((name) => `@nbdjs/${name}`)

/**
 * The messages about one package.
 *
 * @param {string} folder
 * @param {Readonly<Record<string, Record<string, string>>>} entries
 * @returns {Promise<readonly string[]>}
 */
const undocumented = async (folder, entries) => {
  const application = await Application.bootstrap({
    entryPoints: Object.values(entries).flatMap((entry) =>
      entry['@nbdjs/source'] === undefined ? [] : [join(folder, entry['@nbdjs/source'])],
    ),
    tsconfig: join(folder, 'tsconfig.json'),
    // tsc has checked the types.
    skipErrorChecking: true,
    excludeInternal: true,
    excludePrivate: true,
    excludeExternals: true,
    // A link to a symbol of another package is right.
    externalSymbolLinkMappings: Object.fromEntries(ours.map((name) => [name, { '*': '#' }])),
    validation: { notDocumented: true, notExported: false, invalidLink: true },
  })
  const list = new MessageList()
  application.logger = list
  const project = await application.convert()
  if (project === undefined) throw new Error(`typedoc cannot read ${folder}: ${list.messages.join('; ')}`)
  application.validate(project)
  return list.messages
}

let total = 0
const wanted = process.argv.slice(2)
for (const name of readdirSync(join(repository, 'packages')).sort()) {
  const folder = join(repository, 'packages', name)
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  if (manifest.private === true || (wanted.length > 0 && !wanted.includes(name))) continue
  const messages = await undocumented(folder, manifest.exports)
  total += messages.length
  console.log(`${name}: ${messages.length}`)
  if (wanted.length > 0) for (const message of messages) console.log(`  ${message}`)
}
if (total > 0) {
  console.error(`${total} exported symbols without a doc comment; name a package to list its own`)
  process.exitCode = 1
}
