/** A number of reads of one size, of which so many are on their way at once. */
export interface Workload {
  readonly name: string
  readonly length: number
  readonly inFlight: number
  readonly requests: number
}

export const workloads: readonly Workload[] = [
  { name: '4 KiB x 64 in flight', length: 4096, inFlight: 64, requests: 100_000 },
  { name: '256 KiB x 16 in flight', length: 256 * 1024, inFlight: 16, requests: 6_000 },
  { name: '4 KiB, one at a time', length: 4096, inFlight: 1, requests: 15_000 },
]

/** The size of the export that they read from. */
export const exportSize: number = 2 ** 30

/** Where the request of this number begins: one after the other, and again from the start. */
export const offsetOf = ({ length }: Workload, request: number): number =>
  (request * length) % (exportSize - length + 1)
