import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import * as z from 'zod'
import { readIfThere, writeAtomically } from '../../secrets/atomic.ts'

const HOUR = 3_600_000

const stateSchema = z.object({ told: z.iso.datetime(), since: z.int().min(0) })

/** One alert an hour for each unit; those in between are counted. */
export interface Limit {
  /** Whether this one is to be told, and how many were not since the last. */
  readonly due: boolean
  readonly since: number
  /** Remembers it: as told, or as one more that was not. */
  keep(): Promise<void>
}

/** @param directory in memory: after a reboot everything is told again */
export async function limitOf(unit: string, directory: string, now = new Date()): Promise<Limit> {
  const path = join(directory, `${unit}.json`)
  const last = await read(path)
  const age = last === undefined ? Number.POSITIVE_INFINITY : now.getTime() - Date.parse(last.told)
  // A negative age is a clock that was set back.
  const due = age < 0 || age >= HOUR
  const since = last?.since ?? 0
  const next =
    due || last === undefined ? { told: now.toISOString(), since: 0 } : { told: last.told, since: since + 1 }
  return {
    due,
    since,
    async keep() {
      await mkdir(directory, { recursive: true, mode: 0o700 })
      await writeAtomically(path, `${JSON.stringify(next)}\n`, 0o600)
    },
  }
}

async function read(path: string): Promise<z.infer<typeof stateSchema> | undefined> {
  const text = await readIfThere(path)
  if (text === undefined) return undefined
  try {
    return stateSchema.parse(JSON.parse(text))
  } catch {
    // A damaged state must not silence an alert.
    return undefined
  }
}
