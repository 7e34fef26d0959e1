/** The `onread` option of `net.Socket`: Node reads straight into the memory that it is given. */
export interface OnReadOptions {
  /** Where the next bytes go. Node asks once when the socket gets its descriptor, then after each `callback`. */
  readonly buffer: () => Uint8Array
  /** `count` bytes were put at the start of `buffer`. `false` stops the reading. */
  readonly callback: (count: number, buffer: Uint8Array) => boolean
}
