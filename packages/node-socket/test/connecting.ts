import net from 'node:net'
import type { OnReadOptions } from '../src/socket-reader.js'

/** The argument of dialSocket that connects to `path`. */
export const connecting =
  (path: string) =>
  (onread: OnReadOptions): net.Socket =>
    net.connect({ path, allowHalfOpen: true, onread })
