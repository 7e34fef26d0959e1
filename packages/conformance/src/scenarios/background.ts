/** For work that goes on beside a scenario and may fail when the connection is broken on purpose. */
export function inBackground(work: Promise<unknown>): void {
  work.catch(() => {})
}
