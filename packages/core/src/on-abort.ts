/** The callbacks that wait for one signal, behind one listener. */
interface Callbacks {
  readonly all: Set<() => void>
  readonly listener: () => void
}

const waiting = new WeakMap<AbortSignal, Callbacks>()

/**
 * Calls back once when the signal is aborted. All callbacks of one signal share one listener: Node prints a
 * MaxListenersExceededWarning from the eleventh listener of a signal on.
 *
 * @param signal A signal that is not aborted yet.
 * @returns a function that removes the callback.
 * @example
 * const off = onAbort(signal, () => socket.destroy())
 */
export function onAbort(signal: AbortSignal, callback: () => void): () => void {
  const callbacks = waiting.get(signal) ?? listen(signal)
  // A wrapper of its own: the same function may be passed twice.
  const entry = (): void => callback()
  callbacks.all.add(entry)
  return () => {
    if (callbacks.all.delete(entry) && callbacks.all.size === 0) unlisten(signal, callbacks)
  }
}

function listen(signal: AbortSignal): Callbacks {
  const all = new Set<() => void>()
  const callbacks: Callbacks = {
    all,
    listener: () => {
      waiting.delete(signal)
      // A callback that an earlier one removes is not called.
      for (const entry of all) {
        all.delete(entry)
        entry()
      }
    },
  }
  waiting.set(signal, callbacks)
  signal.addEventListener('abort', callbacks.listener, { once: true })
  return callbacks
}

function unlisten(signal: AbortSignal, callbacks: Callbacks): void {
  waiting.delete(signal)
  signal.removeEventListener('abort', callbacks.listener)
}
