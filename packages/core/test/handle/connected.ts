import { Handle, type HandleOptions } from '@nbdjs/core'
import { type Offer, ScriptedServer } from './scripted-server.js'

export interface Pair {
  readonly handle: Handle
  readonly server: ScriptedServer
}

/** A handle in `ready`, and the server that it speaks to. */
export async function ready(offer?: Offer, options?: HandleOptions): Promise<Pair> {
  const server = new ScriptedServer()
  const handle = new Handle(options)
  const connecting = handle.connect(server.transport)
  await server.handshake(offer)
  await connecting
  return { handle, server }
}

/** A handle in `negotiating`, after the structured replies were settled. */
export async function negotiating(offer?: Offer, options: HandleOptions = {}): Promise<Pair> {
  const server = new ScriptedServer()
  const handle = new Handle(options)
  const connecting = handle.negotiate(server.transport)
  await server.open(offer)
  await connecting
  return { handle, server }
}
