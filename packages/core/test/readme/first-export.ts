import { type Handle, NbdNegotiationError, negotiate, type Transport } from '@nbdjs/core'

/** Connects to the first export that the server allows. */
export async function firstExport(transport: Transport): Promise<Handle> {
  const nbd = await negotiate(transport, { fullInfo: true })
  for (const { name } of await nbd.optList()) {
    nbd.setExportName(name)
    try {
      await nbd.optGo()
      return nbd
    } catch (error) {
      // The handle is still negotiating: try the next one.
      if (!(error instanceof NbdNegotiationError)) throw error
      console.log(error.message)
    }
  }
  await nbd.optAbort()
  throw new Error(`${transport.address} offers no export to this client`)
}
