import { type DestinationStream, destination } from 'pino'

type Output = DestinationStream & { flushSync(): void }

let shared: Output | undefined

/**
 * Standard output, one for the whole process so that lines keep their order. Written once per turn of the event loop instead
 * of once per line: under load the writes are most of what a line costs. A process that ends by itself, or by a defect, still
 * writes everything.
 */
export function standardOutput(): Output {
  shared ??= openStandardOutput()
  return shared
}

function openStandardOutput(): Output {
  const output = destination({ dest: 1, sync: true })
  let lines = ''
  const flushSync = () => {
    const text = lines
    lines = ''
    if (text !== '') output.write(text)
  }
  process.on('exit', flushSync)
  return {
    write: (line) => {
      if (lines === '') setImmediate(flushSync)
      lines += line
    },
    flushSync,
  }
}
