import { readdir } from 'node:fs/promises'
import type { Secret } from '../../secrets/secret.ts'
import { ageOf, type BackupSet, DUMP } from '../backup/layout.ts'
import { rowsOf } from '../backup/manifest.ts'
import type { PostgresTools } from '../backup/postgres.ts'
import { Fail, messageOf } from '../lib/fail.ts'
import { ROOT } from '../lib/stack.ts'
import { duration, megabytes } from '../lib/words.ts'
import { type Room, roomFor } from './database.ts'
import { estimateSeconds, survey } from './survey.ts'
import { type FoundDatabase, listDatabases } from './swap.ts'

/** What a restore would do. */
export interface Plan {
  readonly set: string
  readonly created: string
  /** What was written since then is lost with the live database. */
  readonly age_seconds: number
  readonly bytes: number
  readonly rows: number
  readonly migration: string
  readonly estimated_seconds: number
  readonly room: Room | null
  /** The live database and those kept beside it. */
  readonly databases: readonly FoundDatabase[]
  /** Newer sets that cannot be used, and why. */
  readonly skipped: readonly { readonly name: string; readonly problem: string }[]
  /** What stands against it, a sentence each. */
  readonly missing: readonly string[]
}

export interface PlanRequest {
  readonly tools: PostgresTools
  /** where the sets are */
  readonly directory: string
  readonly key: Secret
  /** default: the newest that can be used */
  readonly name?: string | undefined
  /** sets that were found to be damaged */
  readonly without?: readonly string[]
  readonly jobs?: string
}

/**
 * Looks at what is there and changes nothing.
 * @throws Fail when there is no set that could be restored
 */
export async function planRestore(o: PlanRequest): Promise<{ plan: Plan; set: BackupSet }> {
  const all = (await survey(o.directory, o.key)).filter(({ name }) => !o.without?.includes(name))
  const { set, skipped } = choose(all, o.name, o.directory)
  const bytes = set.manifest.files.find(({ name }) => name === DUMP)?.bytes ?? 0
  const missing: string[] = []
  const [databases, room] = await Promise.all([listDatabases(o.tools), roomFor(o.tools, bytes)]).catch(
    (error: unknown) => {
      missing.push(`Postgres does not answer: ${messageOf(error)}.`)
      return [[], null] as const
    },
  )
  if (room !== null && room.free < room.needed)
    missing.push(`It needs about ${megabytes(room.needed)}, and ${megabytes(room.free)} are free.`)
  const { migration } = set.manifest.database
  if (!(await knownMigrations()).includes(migration))
    missing.push(
      `It was made by a newer version (${migration}): check out ${set.manifest.commit.slice(0, 12)} first.`,
    )
  const plan: Plan = {
    set: set.name,
    created: set.manifest.created,
    age_seconds: ageOf(set.name),
    bytes,
    rows: rowsOf(set.manifest),
    migration,
    estimated_seconds: await estimateSeconds(set, bytes, o.jobs),
    room,
    databases,
    skipped,
    missing,
  }
  return { plan, set }
}

function choose(all: Awaited<ReturnType<typeof survey>>, wanted: string | undefined, directory: string) {
  const skipped: { name: string; problem: string }[] = []
  for (const { name, set, problem } of all) {
    if (wanted !== undefined && name !== wanted) continue
    if (set !== undefined) return { set, skipped }
    skipped.push({ name, problem })
  }
  const [first] = skipped
  if (first === undefined) {
    const what = wanted === undefined ? 'no backup set' : `no backup set ${wanted}`
    throw new Fail(`there is ${what} in ${directory}`, {
      next: 'npx zx scripts/backups.ts list; without a set here: ./scripts/restore-host.sh brings one from offsite',
    })
  }
  throw new Fail(`the set ${first.name} cannot be used: ${first.problem}`, {
    next: 'take another set: npx zx scripts/backups.ts list --offsite',
  })
}

/** Names of the migrations that the installed version knows, oldest first. */
async function knownMigrations(): Promise<string[]> {
  const files = await readdir(`${ROOT}/server/db/sql`)
  return files
    .filter((file) => file.endsWith('.sql'))
    .map((file) => file.slice(0, -'.sql'.length))
    .sort()
}

/** The plan, a line each, for a person. */
export function describePlan(plan: Plan): string[] {
  const live = plan.databases.find(({ name }) => name === 'wa_mcp')
  const kept = plan.databases.filter((one) => one !== live)
  return [
    ...plan.skipped.map(({ name, problem }) => `SKIPPED  ${name}: ${problem}`),
    `set      ${plan.set}, ${duration(plan.age_seconds)} old: what was written since then is lost`,
    `size     ${megabytes(plan.bytes)}, ${plan.rows} rows, schema ${plan.migration}`,
    `takes    about ${duration(plan.estimated_seconds)}, the server is down for the last seconds of it`,
    ...(plan.room
      ? [`room     ${megabytes(plan.room.needed)} needed, ${megabytes(plan.room.free)} free`]
      : []),
    ...(live ? [`live     ${megabytes(live.bytes)}${live.note && `, ${live.note}`}; it is kept beside`] : []),
    ...kept.map(({ name, bytes }) => `kept     ${name}, ${megabytes(bytes)}`),
    ...plan.missing.map((line) => `MISSING  ${line}`),
  ]
}
