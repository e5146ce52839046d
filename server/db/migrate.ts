import type { MigrateConfig } from '../config/env.ts'
import { MIGRATIONS, type Migration } from './migrations.ts'
import { connect, type Database } from './pool.ts'
import { ensureRoles } from './roles.ts'

/** Two migrations at once would trip over each other; the number only has to be ours. */
const LOCK = 7_270_411

/** The recorded history and ours differ. Nothing was changed. */
export class HistoryError extends Error {
  override readonly name = 'HistoryError'
}

/**
 * Brings roles and schema up to date. Safe to repeat and to run several times at once: the second waits for the first.
 *
 * @returns The names of the migrations applied now.
 * @throws HistoryError when an applied migration was edited, or the database is newer than this program.
 */
export async function migrate(
  config: Pick<MigrateConfig, 'databaseUrl' | 'superuserPassword' | 'ownerPassword' | 'appPassword'>,
  migrations: readonly Migration[] = MIGRATIONS,
): Promise<string[]> {
  const url = config.databaseUrl
  // One connection, kept: the lock belongs to its session.
  const superuser = connect({
    url,
    role: 'postgres',
    password: config.superuserPassword,
    max: 1,
    maxLifetime: null,
  })
  const owner = connect({ url, role: 'wa_owner', password: config.ownerPassword, max: 1 })
  try {
    await superuser`select pg_advisory_lock(${LOCK})`
    await ensureRoles(superuser, { wa_owner: config.ownerPassword, wa_app: config.appPassword })
    return await applyPending(owner, migrations)
  } finally {
    // Closing the session gives the lock back as well.
    await Promise.all([owner.end({ timeout: 1 }), superuser.end({ timeout: 1 })])
  }
}

async function applyPending(owner: Database, migrations: readonly Migration[]): Promise<string[]> {
  await owner`
    create table if not exists schema_migrations (
      name text primary key,
      checksum text not null,
      applied_at timestamptz not null default now()
    )`
  await owner`grant select on schema_migrations to wa_app`
  const applied = await owner<{ name: string; checksum: string }[]>`
    select name, checksum from schema_migrations order by name`
  compare(applied, migrations)
  const pending = migrations.slice(applied.length)
  for (const { name, sql: text, checksum } of pending) {
    await owner.begin(async (sql) => {
      await sql.unsafe(text)
      await sql`insert into schema_migrations (name, checksum) values (${name}, ${checksum})`
    })
  }
  return pending.map(({ name }) => name)
}

function compare(applied: readonly { name: string; checksum: string }[], ours: readonly Migration[]): void {
  for (const [index, { name, checksum }] of applied.entries()) {
    const expected = ours[index]
    if (expected === undefined) {
      throw new HistoryError(
        `The database has migration ${name}, which this version does not know. Run the newer version.`,
      )
    }
    if (expected.name !== name || expected.checksum !== checksum) {
      throw new HistoryError(
        `Migration ${name} was applied with other contents than this version has. Restore the released file; correct it by a new one.`,
      )
    }
  }
}
