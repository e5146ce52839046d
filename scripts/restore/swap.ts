import { dateOf, isSetName, setName } from '../backup/layout.ts'
import type { PostgresTools } from '../backup/postgres.ts'
import { psql } from './psql.ts'

/** The database the server works with. */
export const LIVE = 'wa_mcp'
/** Where a backup is restored to, beside the live one. */
export const BESIDE = 'wa_mcp_restore'
const KEPT = 'wa_mcp_before_'

export interface SwapOptions {
  /** Of the superuser. Which database they name does not matter. */
  readonly tools: PostgresTools
  /** Becomes the live one. */
  readonly fresh: string
  /** The name the live one goes on under. */
  readonly keep: string
  /** What `\\l+` says about the new live database, such as where it came from. */
  readonly note: string
  readonly live?: string
}

/** The name under which the live database is kept: by the moment of the swap (see `setName`). */
export function keptName(moment: string): string {
  return `${KEPT}${moment}`
}

/** The name for the next one to be kept: after all others, though two swaps may fall into a second and clocks go back. */
export async function nextKeptName(tools: PostgresTools): Promise<string> {
  const moments = (await listDatabases(tools)).map(({ name }) => name.slice(KEPT.length)).filter(isSetName)
  const latest = Math.max(...moments.map((moment) => dateOf(moment).getTime()))
  return keptName(setName(new Date(Math.max(Date.now(), latest + 1000))))
}

/** Whether a database is a live one of before, kept by a swap. */
export function isKept(name: string): boolean {
  return name.startsWith(KEPT)
}

/**
 * Puts a database in the place of the live one, which is kept under another name. One transaction: killed at any moment,
 * either both have their new names or none has. Whoever is still connected to one of them is disconnected, so stop the
 * server first.
 *
 * @returns false when there was no live database, so that none is kept
 * @throws Fail when one of the databases is not there, or somebody keeps connecting; then nothing was changed
 */
export async function swapDatabases(o: SwapOptions): Promise<boolean> {
  // Renaming waits up to five seconds for sessions that are being ended.
  const sql = `
    select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname in (:'live', :'fresh') \\g /dev/null
    select exists (select from pg_database where datname = :'live') as is_there \\gset
    \\if :is_there
      alter database :"live" rename to :"keep";
    \\endif
    \\echo :is_there
    alter database :"fresh" rename to :"live";
    comment on database :"live" is :'note';`
  const values = { live: o.live ?? LIVE, fresh: o.fresh, keep: o.keep, note: o.note }
  const [[wasThere] = []] = await psql(o.tools, sql, { database: 'postgres', values, seconds: 60 })
  return wasThere === 't'
}

/** Says in `\\l+` what a database is; kept with it, in no dump. */
export async function setNote(tools: PostgresTools, name: string, note: string): Promise<void> {
  await psql(tools, `comment on database :"name" is :'note'`, {
    database: 'postgres',
    values: { name, note },
  })
}

/** A database of ours on this server. */
export interface FoundDatabase {
  readonly name: string
  readonly bytes: number
  /** What {@link swapDatabases} wrote about it; '' for one that was never swapped in. */
  readonly note: string
}

/** The live database and those beside it, by name. */
export async function listDatabases(tools: PostgresTools): Promise<FoundDatabase[]> {
  const rows = await psql(
    tools,
    `select datname, pg_database_size(oid), coalesce(shobj_description(oid, 'pg_database'), '')
     from pg_database where datname = :'live' or starts_with(datname, :'live' || '_') order by datname`,
    { database: 'postgres', values: { live: LIVE } },
  )
  return rows.map(([name = '', bytes, note = '']) => ({ name, bytes: Number(bytes), note }))
}
