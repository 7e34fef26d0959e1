import { type Handle, NbdNegotiationError, negotiate, type Transport } from '@nbdjs/core'

/** Connects to the first export that the server lets us have. */
export async function firstExport(transport: Transport): Promise<Handle> {
  const nbd = await negotiate(transport, { fullInfo: true })
  for (const { name } of await nbd.optList()) {
    nbd.setExportName(name)
    try {
      await nbd.optGo()
      return nbd
    } catch (error) {
      // A refusal leaves the handle where it was: try the next one.
      if (!(error instanceof NbdNegotiationError)) throw error
      console.log(error.message)
    }
  }
  await nbd.optAbort()
  throw new Error(`${transport.address} has no export for us`)
}
