import { NbdUsageError } from '@nbdjs/core'
import type { Backend } from '../backend/backend.js'
import { type Export, exportOf } from './export.js'

/** The exports of a server, by name. */
export class ExportTable {
  readonly #exports: ReadonlyMap<string, Export>
  readonly #defaultName: string

  /** Throws a NbdUsageError for a backend that says of itself what cannot be, or a default that is not there. */
  constructor(backends: Readonly<Record<string, Backend>>, defaultName = '') {
    if (typeof backends !== 'object' || backends === null) {
      throw new NbdUsageError(`exports is ${backends}: expected an object, with a backend under each name`)
    }
    this.#exports = new Map(
      Object.entries(backends).map(([name, backend]) => [name, exportOf(name, backend)]),
    )
    this.#defaultName = defaultName
    if (defaultName !== '' && !this.#exports.has(defaultName)) {
      const names = [...this.#exports.keys()].map((name) => `'${name}'`).join(', ')
      throw new NbdUsageError(`defaultExport is '${defaultName}': expected one of the exports: ${names}`)
    }
  }

  /** The export that a client asks for; the empty name leads to the default ("Option types"). */
  find(name: string): Export | undefined {
    return this.#exports.get(name === '' ? this.#defaultName : name)
  }

  /** In the order in which they were given. */
  list(): Iterable<Export> {
    return this.#exports.values()
  }
}
