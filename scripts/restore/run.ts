import { join } from 'node:path'
import type { Progress } from '../backup/job.ts'
import { type BackupSet, DUMP } from '../backup/layout.ts'
import type { PostgresTools } from '../backup/postgres.ts'
import { paint, tell } from '../lib/cli.ts'
import { Refused } from '../lib/fail.ts'
import { Damaged } from './check.ts'
import type { Stack } from './compose.ts'
import { dropDatabase, restoreDatabase } from './database.ts'
import { countHeld, type Held, holdPending } from './hold.ts'
import { type Plan, type PlanRequest, planRestore } from './plan.ts'
import { BESIDE, isKept, LIVE, listDatabases, nextKeptName, setNote, swapDatabases } from './swap.ts'

/** What a restore has done. */
export interface RestoreResult extends Held {
  readonly set: string
  /** The database that was live until then; null when there was none. */
  readonly kept: string | null
  /** Newer sets that were found to be damaged. */
  readonly fell_back_from: readonly string[]
  /** An earlier run had been killed after the exchange; this one only finished it. */
  readonly resumed: boolean
}

/** What is changed, and who is told. */
interface Place {
  readonly tools: PostgresTools
  readonly stack: Stack
  readonly progress: Progress
}

export interface RestoreRequest extends Omit<PlanRequest, 'without'>, Place {
  /** Shows the plan and lets the operator stop. @throws Refused */
  readonly confirm: (plan: Plan) => Promise<void>
}

const NOT_STARTED = /^restored from (\d{8}T\d{6}Z), not started yet, before: (\w+)$/

/**
 * Restores a set of this host in place of the live database, which is kept. Everything is made and checked beside the
 * live database first; the server stops only while the two are exchanged. Killed at any moment and run again, it ends in
 * the same state.
 *
 * @throws Refused before anything was changed; Fail otherwise, naming what to do
 */
export async function restoreLive(o: RestoreRequest): Promise<RestoreResult> {
  const resumed = await finishEarlier(o)
  if (resumed !== undefined) return resumed
  const damaged: string[] = []
  for (;;) {
    const { plan, set } = await planRestore({ ...o, without: damaged })
    if (plan.missing.length > 0)
      throw new Refused(plan.missing.join(' '), { next: 'npx zx scripts/backups.ts plan-restore' })
    await o.confirm(plan)
    try {
      const held = await prepare(o, set)
      const kept = await exchange(o, BESIDE, set.name)
      const fell_back_from = [...plan.skipped.map(({ name }) => name), ...damaged]
      return { set: set.name, kept, fell_back_from, resumed: false, ...held }
    } catch (error) {
      if (!(error instanceof Damaged) || o.name !== undefined) throw error
      damaged.push(set.name)
      tell(`${paint('31', 'DAMAGED')}  ${error.message}`)
      tell(`${paint('31', 'DAMAGED')}  the set before ${set.name} is taken instead; more is lost with it`)
    }
  }
}

/**
 * Exchanges the live database with the one that the latest restore has kept.
 * @throws Refused when none was kept
 */
export async function undoRestore(
  o: Place,
): Promise<Held & { readonly taken: string; readonly kept: string | null }> {
  const kept = (await listDatabases(o.tools)).filter(({ name }) => isKept(name)).at(-1)
  if (kept === undefined)
    throw new Refused('no restore has kept a database', { next: 'npx zx scripts/backups.ts plan-restore' })
  o.progress(`taking ${kept.name} back`)
  // What waits in it may have been released and sent from the other one.
  await holdPending({ ...o.tools, database: kept.name })
  const held = await countHeld({ ...o.tools, database: kept.name })
  await o.stack.migrateBeside(kept.name)
  return { taken: kept.name, kept: await exchange(o, kept.name), ...held }
}

/** Drops every database that restores have kept. @returns their names */
export async function dropKept({ tools }: Pick<Place, 'tools'>): Promise<string[]> {
  const kept = (await listDatabases(tools)).flatMap(({ name }) => (isKept(name) ? [name] : []))
  for (const name of kept) await dropDatabase(tools, name)
  return kept
}

/** Everything that takes time, beside the live database. */
async function prepare(o: RestoreRequest, set: BackupSet): Promise<Held> {
  const { tools, stack, progress } = o
  const { differences } = await restoreDatabase({
    tools,
    dump: join(set.directory, DUMP),
    manifest: set.manifest,
    progress,
  })
  try {
    if (differences.length > 0)
      throw new Damaged(
        `what was restored from ${set.name} is not what was backed up`,
        differences.join('\n'),
      )
    progress('holding back what waited to be sent')
    const held = await holdPending({ ...tools, database: BESIDE })
    await stack.migrateBeside(BESIDE)
    return held
  } catch (error) {
    await dropDatabase(tools, BESIDE)
    throw error
  }
}

/** @returns the name under which the database that was live is kept */
async function exchange(place: Place, fresh: string, set?: string): Promise<string | null> {
  const { tools, stack, progress } = place
  const keep = await nextKeptName(tools)
  progress('stopping the server')
  await stack.stopServer()
  let wasThere: boolean
  try {
    const note = set === undefined ? '' : `restored from ${set}, not started yet, before: ${keep}`
    wasThere = await swapDatabases({ tools, fresh, keep, note })
  } catch (error) {
    await stack.startServer()
    throw error
  }
  if (set === undefined) await stack.startServer()
  else await start(place, set)
  return wasThere ? keep : null
}

async function start({ tools, stack, progress }: Place, set: string): Promise<void> {
  progress('starting the server on the restored database')
  await stack.recordRestore(set)
  await stack.startServer()
  await setNote(tools, LIVE, `restored from ${set} at ${new Date().toISOString()}`)
}

/** An earlier run that was killed after the exchange has done what takes time. */
async function finishEarlier(o: RestoreRequest): Promise<RestoreResult | undefined> {
  const databases = await listDatabases(o.tools)
  const live = databases.find(({ name }) => name === LIVE)
  const [, set, kept] = NOT_STARTED.exec(live?.note ?? '') ?? []
  if (set === undefined || kept === undefined || (o.name ?? set) !== set) return undefined
  o.progress(`finishing the restore of ${set} that was interrupted`)
  await start(o, set)
  return {
    set,
    kept: databases.some(({ name }) => name === kept) ? kept : null,
    fell_back_from: [],
    resumed: true,
    ...(await countHeld({ ...o.tools, database: LIVE })),
  }
}
