import type { Figures } from './manifest.ts'
import type { Session } from './session.ts'

/**
 * Every ordinary table with its columns, and the one that tells when a row was made or a null where there is none. From the
 * catalogue, so that a new table cannot be forgotten. Generated columns follow from the others.
 */
const TABLES = `select c.oid::regclass,
    coalesce((array_agg(quote_ident(attname) order by attname = 'created_at' desc, attnum)
      filter (where atttypid = 'timestamptz'::regtype))[1], 'null::timestamptz'),
    string_agg(quote_ident(attname), ', ' order by attnum) filter (where attgenerated = '')
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
    left join pg_attribute a on a.attrelid = c.oid and attnum > 0 and not attisdropped
  where c.relkind = 'r' and n.nspname !~ '^(pg_|information_schema$)'
  group by c.oid order by c.oid::regclass::text collate "C"`

/**
 * Counts and hashes everything a database holds, in one snapshot. The hash of a table is the sum over its rows of the 64 bits
 * by which Postgres assigns rows to hash partitions: it depends on the contents alone, not on their order on disk or on settings,
 * and on the same values it is the same in every version, or partitioned tables could not be upgraded. It finds what went wrong;
 * against who means harm there are the SHA-256 of the dump and the manifest's signature. A SHA-256 of every row takes four times as long.
 * @param snapshot of another session's transaction, to see exactly what that one sees; default: a snapshot of its own
 */
export async function figures(session: Session, snapshot?: string): Promise<Figures> {
  await beginSnapshot(session, snapshot)
  const [[name, version, migration] = []] = await session.query(
    `select current_database(), split_part(current_setting('server_version'), ' ', 1), max(name) from schema_migrations`,
  )
  const tables: Figures['tables'] = []
  for (const [table, moment, columns] of await session.query(TABLES)) {
    // All are quoted by the database itself.
    const [[rows, newest, hash] = []] = await session.query(
      `select count(*), max(${moment}),
         coalesce(sum(hash_record_extended(row(${columns ?? ''}), 0)), 0)
       from only ${table}`,
    )
    tables.push({ name: table ?? '', rows: Number(rows), newest: newest ?? null, hash: hash ?? '' })
  }
  await session.query('commit')
  return { name: name ?? '', server_version: version ?? '', migration: migration ?? '', tables }
}

/** Begins a transaction that sees one moment and changes nothing. */
export async function beginSnapshot(session: Session, snapshot?: string): Promise<void> {
  await session.query('begin isolation level repeatable read read only')
  if (snapshot === undefined) return
  if (!/^[0-9A-F-]+$/.test(snapshot)) throw new Error('This is not the name of an exported snapshot.')
  await session.query(`set transaction snapshot '${snapshot}'`)
}
