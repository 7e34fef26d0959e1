import { NbdProtocolError } from '../errors.js'
import { quote } from '../quote.js'
import { TransmissionFlag } from '../wire/constants.js'
import type { SizeAndFlags } from '../wire/greeting.js'
import type { BlockSizes } from '../wire/option-reply.js'

/** The properties of an export ("NBD_REP_INFO", "Transmission flags", "Size constraints"). */
export interface ExportInfo {
  /** The requested name. */
  readonly name: string
  /** The canonical name, if the server sent one (requested by `fullInfo`). */
  readonly canonicalName: string | undefined
  /** The description, if the server sent one (requested by `fullInfo`). */
  readonly description: string | undefined
  /** The size in bytes. */
  readonly size: bigint
  /** Whether writes are rejected. */
  readonly readOnly: boolean
  /** Whether the storage is a rotating disk. */
  readonly rotational: boolean
  /** Whether `flush` is supported. */
  readonly canFlush: boolean
  /** Whether the flag `fua` is supported. */
  readonly canFua: boolean
  /** Whether `trim` is supported. */
  readonly canTrim: boolean
  /** Whether `zero` is supported. */
  readonly canZero: boolean
  /** Whether the flag `fastZero` of `zero` is supported. */
  readonly canFastZero: boolean
  /** Whether the flag `df` of `preadStructured` is supported. */
  readonly canDf: boolean
  /** Whether several connections see each other's writes after a flush, so commands may be spread over them. */
  readonly canMultiConn: boolean
  /** Whether `cache` is supported. */
  readonly canCache: boolean
  /** Whether `blockStatus` can be restricted to some of the meta contexts (needs extended headers). */
  readonly canBlockStatusPayload: boolean
  /** The block sizes. */
  readonly blockSize: BlockSizeInfo
  /** The names of the meta contexts that were negotiated for this export. */
  readonly metaContexts: readonly string[]
  /** The requested contexts and queries that selected nothing. Empty if the server provides all of them. */
  readonly missingMetaContexts: readonly string[]
}

/** Block sizes in bytes; 0 where the server advertised none, or none that the specification allows. */
export interface BlockSizeInfo {
  /** Offsets and lengths must be multiples of it. */
  readonly minimum: number
  /** Aligned requests of at least this size are efficient. */
  readonly preferred: number
  /** The advertised maximum payload; 0xffffffff: none. */
  readonly maximum: number
  /**
   * The longest pwrite, never 0: `maximum`, but at most 64 MiB, or 32 MiB if there is none. With simple replies it limits reads
   * too, if the server advertised it.
   */
  readonly payload: number
}

/** The longest payload of one request or one reply, whatever a server advertises. */
export const MAX_PAYLOAD = 67_108_864
/** "Size constraints": every server accepts this length unless it advertises another one. */
const DEFAULT_PAYLOAD = 32 * 1024 * 1024
const MAX_SIZE = 2n ** 63n - 1n

/** The contents of the replies to NBD_OPT_GO, NBD_OPT_INFO or NBD_OPT_EXPORT_NAME. */
export interface ExportReply {
  readonly name: string
  readonly shape: SizeAndFlags
  readonly canonicalName?: string | undefined
  readonly description?: string | undefined
  readonly blockSizes?: BlockSizes | undefined
}

/** The negotiated features that the properties of an export depend on. */
export interface AgreedFeatures {
  readonly structuredReplies: boolean
  readonly extendedHeaders: boolean
}

/** What the server reported, without the meta contexts. */
export function exportInfo(facts: ExportReply, agreed: AgreedFeatures): ExportInfo {
  const { transmissionFlags } = facts.shape
  if (transmissionFlags === 0) {
    // "Transmission flags": NBD_FLAG_HAS_FLAGS is always set. Zero is a server that sends no flags at all.
    throw new NbdProtocolError(`export ${quote(facts.name)}: the transmission flags are 0`, {
      expected: 'NBD_FLAG_HAS_FLAGS',
      received: '0',
    })
  }
  const has = (flag: number): boolean => (transmissionFlags & flag) !== 0
  const canZero = has(TransmissionFlag.SendWriteZeroes)
  return Object.freeze({
    name: facts.name,
    canonicalName: facts.canonicalName,
    description: facts.description,
    size: exportSize(facts),
    readOnly: has(TransmissionFlag.ReadOnly),
    rotational: has(TransmissionFlag.Rotational),
    canFlush: has(TransmissionFlag.SendFlush),
    canFua: has(TransmissionFlag.SendFua),
    canTrim: has(TransmissionFlag.SendTrim),
    canZero,
    // "Transmission flags": none of these may be set without the other feature; such a flag is ignored.
    canFastZero: canZero && has(TransmissionFlag.SendFastZero),
    canDf: agreed.structuredReplies && has(TransmissionFlag.SendDf),
    canMultiConn: has(TransmissionFlag.CanMultiConn),
    canCache: has(TransmissionFlag.SendCache),
    canBlockStatusPayload: agreed.extendedHeaders && has(TransmissionFlag.BlockStatusPayload),
    blockSize: Object.freeze(blockSizeInfo(facts.blockSizes)),
    metaContexts: Object.freeze([]),
    missingMetaContexts: Object.freeze([]),
  })
}

function exportSize({ name, shape }: ExportReply): bigint {
  const size = BigInt(shape.size)
  if (size > MAX_SIZE) {
    throw new NbdProtocolError(
      `export ${quote(name)}: the size ${size} is larger than the maximum, 2^63-1 bytes`,
      { errno: 'EOVERFLOW', expected: `at most ${MAX_SIZE}`, received: String(size) },
    )
  }
  return size
}

/** Sizes that break the rules of "Size constraints" are ignored, as if the server had advertised none. */
function blockSizeInfo(sizes: BlockSizes | undefined): BlockSizeInfo {
  if (sizes === undefined || !isLegal(sizes)) {
    return { minimum: 0, preferred: 0, maximum: 0, payload: DEFAULT_PAYLOAD }
  }
  const { minimum, preferred, maximum } = sizes
  return { minimum, preferred, maximum, payload: Math.min(MAX_PAYLOAD, maximum) }
}

function isLegal({ minimum, preferred, maximum }: BlockSizes): boolean {
  if (!isPowerOf2(minimum) || minimum > 65536) return false
  if (!isPowerOf2(preferred) || preferred < Math.max(512, minimum)) return false
  if (maximum < preferred) return false
  return maximum === 0xffffffff || maximum % minimum === 0
}

function isPowerOf2(value: number): boolean {
  return value !== 0 && (value & (value - 1)) === 0
}
