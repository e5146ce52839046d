import { type DestinationStream, destination } from 'pino'

/** Bytes that are written without waiting for the end of the turn. */
const LARGEST_BUFFER = 8 * 1024

/**
 * Standard output, written once per turn of the event loop instead of once per line: under load the writes are most of what a
 * line costs. A process that ends by itself, or by a defect, still writes everything.
 */
export function standardOutput(): DestinationStream & { flushSync(): void } {
  const output = destination({ dest: 1, sync: true, minLength: LARGEST_BUFFER })
  let isPlanned = false
  const flushSync = () => {
    isPlanned = false
    output.flushSync()
  }
  process.on('exit', flushSync)
  return {
    write: (line) => {
      output.write(line)
      if (isPlanned) return
      isPlanned = true
      setImmediate(flushSync)
    },
    flushSync,
  }
}
