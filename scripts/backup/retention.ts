import { isSetName } from './layout.ts'

const NEWEST = 3
const DAYS = 30
const MONTHS = 12

/**
 * Which sets may go. Kept are the newest three, the last of each of the 30 latest days that have one and the first of each
 * of the 12 latest months that have one: counted in successes, not in time, so that a pause or a wrong clock deletes nothing.
 * By the UTC time in the names.
 * @param names of all finished sets, in any order
 * @param newVerified the set just made and verified; it is kept, and without it among the names nothing may go
 * @returns names to remove, oldest first
 */
export function expired(names: readonly string[], newVerified: string): string[] {
  const sets = names.filter(isSetName).sort()
  if (!sets.includes(newVerified)) return []
  const lastOfDay = new Map(sets.map((name) => [name.slice(0, 8), name]))
  const firstOfMonth = new Map(sets.toReversed().map((name) => [name.slice(0, 6), name]))
  const kept = new Set([
    newVerified,
    ...sets.slice(-NEWEST),
    ...latest(lastOfDay, DAYS),
    ...latest(firstOfMonth, MONTHS),
  ])
  return sets.filter((name) => !kept.has(name))
}

function latest(byPeriod: ReadonlyMap<string, string>, count: number): string[] {
  return [...byPeriod]
    .sort(([a], [b]) => (a < b ? 1 : -1))
    .slice(0, count)
    .map(([, name]) => name)
}
