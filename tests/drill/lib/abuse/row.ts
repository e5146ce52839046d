import type { Drill } from '../drill.ts'
import { type Attempt, describe, type Outcome } from './stranger.ts'
import type { Testimony } from './witness.ts'

/** One thing a stranger tries, and what must come of it on either side. */
export interface Row extends Attempt {
  /** The right answers: statuses of all answers on the connection, '' for none. */
  readonly answers: readonly string[]
  /** Ids of requests that the app must not have seen. */
  readonly never?: readonly string[]
  /** Ids of requests that the app must have seen, once each, from the stranger's own address. */
  readonly reaches?: readonly string[]
}

/** Compares what came back and what the app saw with what each row says. */
export function judge(
  drill: Drill,
  rows: readonly Row[],
  found: { outcomes: ReadonlyMap<string, Outcome>; testimony: Testimony; address: string },
): void {
  const seenBy = (id: string) => found.testimony.app.filter(({ rid }) => rid === id)
  for (const row of rows) {
    const outcome = found.outcomes.get(row.name)
    const faults: string[] = []
    if (outcome === undefined || !row.answers.includes(outcome.statuses.join(' ')))
      faults.push('another answer')
    if (outcome?.end === 'open' && row.enough === undefined) faults.push('the connection stays open')
    for (const id of row.never ?? []) if (seenBy(id).length > 0) faults.push('the app has seen it')
    for (const id of row.reaches ?? []) {
      const seen = seenBy(id).filter(({ msg }) => msg === 'request')
      if (seen.length !== 1) faults.push(`the app has seen it ${seen.length} times`)
      if (seen.some(({ ip }) => ip !== found.address)) faults.push(`from ${seen[0]?.ip}`)
    }
    drill.expect(row.name, faults.length === 0, `${faults.join(', ')}: ${describe(outcome)}`)
  }
}
