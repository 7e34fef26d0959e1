import { Handle, type HandleOptions } from '@nbdjs/core'
import { type Offer, ScriptedServer } from './scripted-server.js'

export interface Pair<OptMode extends boolean> {
  readonly handle: Handle<OptMode>
  readonly server: ScriptedServer
}

/** A handle in `ready`, and the server that it speaks to. */
export async function ready(offer?: Offer, options?: HandleOptions<false>): Promise<Pair<false>> {
  const server = new ScriptedServer()
  const handle = new Handle(options)
  const connecting = handle.connect(server.transport)
  await server.handshake(offer)
  await connecting
  return { handle, server }
}

/** A handle in `negotiating`, after the structured replies were settled. */
export async function negotiating(offer?: Offer, options: HandleOptions<true> = {}): Promise<Pair<true>> {
  const server = new ScriptedServer()
  const handle = new Handle<true>({ ...options, optMode: true })
  const connecting = handle.connect(server.transport)
  await server.open(offer)
  await connecting
  return { handle, server }
}
