const started = performance.now()

/** Says on standard error what goes on, with the time since the drill began. */
export function say(text: string): void {
  const seconds = Math.floor((performance.now() - started) / 1000)
  const clock = `${String(Math.floor(seconds / 60)).padStart(2, '0')}:${String(seconds % 60).padStart(2, '0')}`
  process.stderr.write(`${clock}  ${text}\n`)
}

/** Runs `work`, and says how long it took. */
export async function timed<T>(title: string, work: () => Promise<T>): Promise<T> {
  const from = performance.now()
  const value = await work()
  say(`${title}  ${((performance.now() - from) / 1000).toFixed(1)} s`)
  return value
}

/**
 * Asks again every `every` seconds until `probe` gives a value.
 * @throws Error naming `what` when `limit` seconds have passed.
 */
export async function until<T>(
  what: string,
  limit: number,
  probe: () => Promise<T | undefined>,
  every = 0.25,
): Promise<T> {
  const end = performance.now() + limit * 1000
  for (;;) {
    const value = await probe()
    if (value !== undefined) return value
    if (performance.now() > end) throw new Error(`${what}: not within ${limit} s`)
    await new Promise((wake) => setTimeout(wake, every * 1000))
  }
}
