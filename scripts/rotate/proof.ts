import { setTimeout as sleep } from 'node:timers/promises'
import { Fail, messageOf } from '../lib/fail.ts'

/** What gets further where the server does not answer as it should. */
export const AGAIN = 'docker compose logs app app-b, then run the same command again'

/** Longer than the server remembers what it read of apps and their secrets (30 s). */
const PATIENCE_MS = 45_000
/** Not faster: the proxy counts requests. */
const EVERY_MS = 1_500
/** The replicas take turns; another caller in between may make it the same one twice. */
const IN_A_ROW = 4
const NEXT_MS = 50

/**
 * Asks until the answer is the one wanted: a server that was just restarted, or remembers for some seconds, gets its time.
 * @param o.everyReplica for what each of them learns in its own time: it must be the answer of all
 * @throws Fail with the last answer
 */
export async function settles<T>(o: {
  readonly what: string
  readonly wanted: T
  readonly probe: () => Promise<T>
  readonly everyReplica?: boolean
}): Promise<void> {
  const end = Date.now() + PATIENCE_MS
  let inARow = 0
  for (;;) {
    const found = await o.probe()
    inARow = found === o.wanted ? inARow + 1 : 0
    if (inARow === (o.everyReplica ? IN_A_ROW : 1)) return
    if (inARow === 0 && Date.now() > end)
      throw new Fail(`${o.what}: ${String(found)} instead of ${String(o.wanted)}`, { next: AGAIN })
    await sleep(inARow > 0 ? NEXT_MS : EVERY_MS)
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
