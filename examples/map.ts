import { Context, connectUri, describeFlags, NbdError } from '@nbdjs/core'
import { tcp } from '@nbdjs/transport-tcp'
import { unix } from '@nbdjs/transport-unix'
import { vsock } from '@nbdjs/transport-vsock'
import { extents } from './extents.js'

/**
 * `node examples/dist/map.js <uri> [context]`: which parts of an export hold data, or whatever else a meta context
 * tells, one extent in a line, as `nbdinfo --map` prints them: offset, length, flags, and the flags in words.
 */
async function map(uri = '', context: string = Context.BaseAllocation): Promise<void> {
  const transports = { tcp, unix, vsock }
  await using nbd = await connectUri(uri, { transports, metaContexts: [context] })
  for await (const { offset, length, flags } of extents(nbd, context)) {
    const columns = [pad(offset, 10), pad(length, 10), pad(flags, 3), describeFlags(context, flags) ?? '']
    console.log(columns.join('  ').trimEnd())
  }
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
