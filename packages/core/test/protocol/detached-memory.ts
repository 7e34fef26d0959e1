/** Takes the memory of a view away, as its owner can by transferring it to another thread. */
export function detach({ buffer }: Uint8Array): void {
  structuredClone(buffer, { transfer: [buffer as ArrayBuffer] })
}

/** A view that follows the length of its buffer, and the way to change that. */
export function resizable(length: number): { readonly view: Uint8Array; resize(length: number): void } {
  // Not yet in the library of ES2023.
  const Resizable = ArrayBuffer as unknown as new (
    length: number,
    options: { readonly maxByteLength: number },
  ) => ArrayBuffer & { resize(length: number): void }
  const buffer = new Resizable(length, { maxByteLength: 2 * length })
  return { view: new Uint8Array(buffer), resize: (newLength) => buffer.resize(newLength) }
}
