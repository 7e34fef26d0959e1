/** How many bytes are kept: some forty lines. */
export const tailLength = 4096

/** The end of what a process writes on its standard error. */
export class StderrTail {
  #kept: Buffer = Buffer.alloc(0)
  #isCut = false

  add(chunk: Uint8Array): void {
    const all = Buffer.concat([this.#kept, chunk])
    this.#isCut ||= all.length > tailLength
    this.#kept = all.subarray(-tailLength)
  }

  /** Without white space around it; begins with `...` when there was more before. */
  get text(): string {
    const text = this.#kept.subarray(this.#start()).toString().trim()
    return this.#isCut ? `...${text}` : text
  }

  /** Behind what is left of a character that was cut. */
  #start(): number {
    if (!this.#isCut) return 0
    let start = 0
    while (isContinuation(this.#kept[start])) start++
    return start
  }
}

/** One of the bytes of a character of UTF-8 after its first. */
function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80
}
