import { setTimeout as sleep } from 'node:timers/promises'
import { Fail, messageOf } from '../lib/fail.ts'

/** What gets further where the server does not answer as it should. */
export const AGAIN = 'docker compose logs app, then run the same command again'

/** Longer than the server remembers what it read of apps and their secrets (30 s). */
const PATIENCE_MS = 45_000
/** Not faster: the proxy counts requests. */
const EVERY_MS = 1_500

/**
 * Asks until the answer is the one wanted: a server that was just restarted, or remembers for some seconds, gets its time.
 * @throws Fail with the last answer
 */
export async function settles<T>(o: {
  readonly what: string
  readonly wanted: T
  readonly probe: () => Promise<T>
}): Promise<void> {
  const end = Date.now() + PATIENCE_MS
  for (;;) {
    const found = await o.probe()
    if (found === o.wanted) return
    if (Date.now() > end)
      throw new Fail(`${o.what}: ${String(found)} instead of ${String(o.wanted)}`, { next: AGAIN })
    await sleep(EVERY_MS)
  }
}

/** The status of an answer whose body does not matter, or why there was none. */
export async function statusOf(answer: Promise<Response>): Promise<number | string> {
  try {
    const response = await answer
    await response.body?.cancel()
    return response.status
  } catch (error) {
    return `no answer (${messageOf(error)})`
  }
}
