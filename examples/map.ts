import { connectUri, describeExtentFlags, type Extent, MetaContextName, NbdError } from '@nbdjs/core'
import { tcp } from '@nbdjs/transport-tcp'
import { unix } from '@nbdjs/transport-unix'
import { vsock } from '@nbdjs/transport-vsock'
import { extents } from './extents.js'

type Flags = Extent['flags']

/**
 * `node examples/dist/map.js URI [CONTEXT]` prints the extents of an export in a meta context, like `nbdinfo --map`: one
 * line with the offset, the length, the flags and their names.
 */
async function map(uri = '', context: string = MetaContextName.BaseAllocation): Promise<void> {
  const transports = { tcp, unix, vsock }
  await using nbd = await connectUri(uri, { transports, metaContexts: [context] })
  const endOf = lineEnds(context)
  for await (const list of extents(nbd, context)) {
    // A map can have a million lines: print many at once.
    await print(list.map((extent) => line(extent, endOf)).join(''))
  }
}

function line({ offset, length, flags }: Extent, endOf: (flags: Flags) => string): string {
  return `${pad(offset, 10)}  ${pad(length, 10)}${endOf(flags)}`
}

/** Formats flags and their names, once for each value. */
function lineEnds(context: string): (flags: Flags) => string {
  const ends = new Map<Flags, string>()
  const newEnd = (flags: Flags): string => {
    const description = describeExtentFlags(context, flags)
    const end = `  ${pad(flags, 3)}${description === undefined ? '' : `  ${description}`}\n`
    // Bounded, because the server chooses the values.
    if (ends.size < 1000) ends.set(flags, end)
    return end
  }
  return (flags) => ends.get(flags) ?? newEnd(flags)
}

/** Resolves once the text is written, because a pipe may be slow. */
function print(text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(text, (error) => (error ? reject(error) : resolve()))
  })
}

function pad(value: number | bigint, width: number): string {
  return String(value).padStart(width)
}

try {
  await map(...process.argv.slice(2))
} catch (error) {
  console.error(error instanceof NbdError ? `${error.name}: ${error.message}` : error)
  process.exitCode = 1
}
