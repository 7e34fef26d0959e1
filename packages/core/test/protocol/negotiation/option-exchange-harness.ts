import { Trace } from '../../../src/protocol/debug/trace.js'
import { defaultLimits, type Limits } from '../../../src/protocol/limits.js'
import { Negotiation, type NegotiationSettings } from '../../../src/protocol/negotiation/negotiation.js'
import { type HandshakeSteps, TLS_STARTED } from '../../../src/protocol/negotiation/option-exchange.js'
import { StatsCounter } from '../../../src/protocol/session.js'
import { concat } from '../../../src/wire/bytes.js'

export const settings: NegotiationSettings = {
  ...{ exportName: 'disk0', fullInfo: false, requestBlockSize: true },
  ...{ requestExtendedHeaders: false, requestMetaContext: true, metaContexts: [], tls: 'disable' },
  ...{ requireMetaContexts: true, secretExportName: false },
  ...{ requestStructuredReplies: true, handshakeFlags: { fixedNewstyle: true, noZeroes: true } },
}

export interface DialogueOptions extends Partial<NegotiationSettings> {
  readonly limits?: Partial<Limits>
}

/** Steps of the handshake without a protocol: their output, their results and their input. */
export class Dialogue {
  readonly negotiation: Negotiation
  readonly stats = new StatsCounter()
  /** The lines of the trace. */
  readonly traced: string[] = []
  /** The numbers of bytes that were requested, in order. */
  readonly wanted: number[] = []
  readonly #sent: Uint8Array[] = []

  constructor({ limits, ...changes }: DialogueOptions = {}) {
    const trace = new Trace((line) => this.traced.push(line))
    trace.isOn = true
    this.negotiation = new Negotiation(
      { ...settings, ...changes },
      { ...defaultLimits, ...limits },
      this.stats,
      trace,
      (bytes) => this.#sent.push(bytes),
    )
    this.negotiation.protocol = 'newstyle-fixed'
  }

  /** All that was sent so far. */
  get sent(): Uint8Array {
    return concat(...this.#sent)
  }

  /**
   * What a reading gives when these bytes arrive, which it must consume to the last; what it throws is thrown.
   * Each piece of them lies in memory that is overwritten before the next one, as in the protocol.
   */
  read<T>(reading: HandshakeSteps<T>, ...arriving: readonly Uint8Array[]): T {
    const bytes = concat(...arriving)
    const memory = new Uint8Array(bytes.length)
    let at = 0
    let step = reading.next(new Uint8Array(0))
    while (step.done !== true) {
      // TLS is on at once.
      const length = step.value === TLS_STARTED ? 0 : step.value
      this.wanted.push(length)
      if (at + length > bytes.length) throw new Starving(length, bytes.length - at)
      memory.fill(0xee)
      memory.set(bytes.subarray(at, at + length))
      at += length
      step = reading.next(memory.subarray(0, length))
    }
    if (at < bytes.length) throw new Error(`the reading ended with ${bytes.length - at} bytes left`)
    return step.value
  }

  /** What it throws when the server hangs up where `arriving` ends. */
  interrupt<T>(reading: HandshakeSteps<T>, error: Error, ...arriving: readonly Uint8Array[]): unknown {
    try {
      this.read(reading, ...arriving)
    } catch (starving) {
      if (!(starving instanceof Starving)) throw starving
      try {
        reading.throw(error)
      } catch (thrown) {
        return thrown
      }
    }
    throw new Error('the reading did not end by an error')
  }
}

/** The steps need more bytes than there are. */
export class Starving extends Error {
  constructor(wanted: number, left: number) {
    super(`the reading waits for ${wanted} bytes, ${left} are left`)
  }
}

/** What `run` throws. */
export function thrownBy(run: () => unknown): unknown {
  try {
    run()
  } catch (error) {
    return error
  }
  throw new Error('expected an error, nothing was thrown')
}
