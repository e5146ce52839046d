import { setTimeout as sleep } from 'node:timers/promises'
import type { Secret } from '../../secrets/secret.ts'
import { redact } from './redact.ts'
import type { FailedUnit } from './unit.ts'

/** Characters of a line. */
const LONGEST = 300

/** What is posted. `text` is the whole in one line, where chat services look for it. */
export interface Alert extends FailedUnit {
  readonly text: string
  readonly host: string
  /** ISO 8601 */
  readonly at: string
  /** alerts about this unit that were not sent since the last one */
  readonly since: number
  /** the command that shows more */
  readonly next: string
}

/** @param secrets texts that must not be seen, longest first */
export function composeAlert(
  failed: FailedUnit,
  o: { host: string; at: Date; since: number; secrets: readonly string[] },
): Alert {
  // 0 where not the program itself failed but what came after it.
  const why = failed.status === 0 ? failed.result : `${failed.result} ${failed.status}`
  const more = o.since === 0 ? '' : `, and ${o.since} more since the last alert`
  return {
    text: `${o.host}: ${failed.unit} failed (${why})${more}`,
    ...failed,
    description: redact(failed.description, o.secrets),
    // Cut afterwards: of a secret that was cut first, the beginning would be seen.
    lines: failed.lines.map((line) => redact(line, o.secrets).slice(0, LONGEST)),
    host: o.host,
    at: o.at.toISOString(),
    since: o.since,
    next: `journalctl -u ${failed.unit} -e`,
  }
}

/**
 * Posts it, three times at most.
 * @throws Error saying what was wrong last; the URL, which is a secret, is not part of it
 */
export async function post(url: Secret, alert: Alert, pauseMs = 5000): Promise<void> {
  for (let left = 2; ; left--) {
    const problem = await tryPost(url, alert)
    if (problem === undefined) return
    if (left === 0) throw new Error(`the alert could not be posted to alert_url: ${problem}`)
    await sleep(pauseMs)
  }
}

async function tryPost(url: Secret, alert: Alert): Promise<string | undefined> {
  try {
    const response = await fetch(url.reveal(), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(alert),
      signal: AbortSignal.timeout(10_000),
    })
    await response.body?.cancel()
    return response.ok ? undefined : `it answered ${response.status}`
  } catch (error) {
    const { cause } = error as { cause?: { code?: string } }
    return cause?.code ?? (error as Error).name
  }
}
