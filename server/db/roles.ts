import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto'
import type { Secret } from '../../secrets/secret.ts'
import type { Database } from './pool.ts'

/** Roles that log in over the network, with a password. */
const ROLES = ['wa_owner', 'wa_app'] as const

/**
 * Roles without a password. `wa_client` is what the app becomes to read for one client; the other two log in only from
 * inside the database's own container: dumps, which must see every row, and whoever archives the audit log.
 */
const INNER_ROLES = {
  wa_client: 'nologin nobypassrls',
  wa_backup: 'login bypassrls',
  wa_audit_archiver: 'login nobypassrls',
} as const

/**
 * Creates the roles or brings them up to date. `wa_owner` owns the schema and runs migrations; `wa_app` works in it with
 * the rights the migrations grant. Neither may do anything else.
 *
 * @param superuser Connected as `postgres` to the database the server uses.
 */
export async function ensureRoles(
  superuser: Database,
  passwords: Readonly<Record<(typeof ROLES)[number], Secret>>,
): Promise<void> {
  await superuser.begin(async (sql) => {
    for (const role of ROLES) {
      const known = await sql`select 1 from pg_roles where rolname = ${role}`
      await sql.unsafe(
        `${known.length ? 'alter' : 'create'} role ${role} login
         nosuperuser nocreatedb nocreaterole noreplication nobypassrls noinherit
         password '${scramVerifier(passwords[role])}'`,
      )
    }
    for (const [role, attributes] of Object.entries(INNER_ROLES)) {
      const known = await sql`select 1 from pg_roles where rolname = ${role}`
      await sql.unsafe(
        `${known.length ? 'alter' : 'create'} role ${role} ${attributes}
         nosuperuser nocreatedb nocreaterole noreplication noinherit`,
      )
    }
    const [row] = await sql<{ name: string }[]>`select quote_ident(current_database()) as name`
    if (row === undefined) throw new Error('current_database() returned no row')
    await sql.unsafe(`
      revoke all on database ${row.name} from public;
      grant connect on database ${row.name} to wa_owner, wa_app, wa_backup, wa_audit_archiver;
      revoke all on schema public from public;
      grant usage, create on schema public to wa_owner;
      grant usage on schema public to wa_app, wa_client, wa_backup, wa_audit_archiver;
      grant wa_client to wa_app with inherit false, set true;
      grant pg_read_all_data to wa_backup with inherit true;
      alter role wa_owner set lock_timeout = '10s';
      alter role wa_app set idle_in_transaction_session_timeout = '30s';
    `)
  })
}

/**
 * The password as Postgres stores it, so that the password itself never travels in a statement a log could keep.
 * Form and derivation: RFC 5802 §3, in the notation of the `pg_authid` catalogue.
 */
export function scramVerifier(password: Secret, salt: Buffer = randomBytes(16), iterations = 4096): string {
  const salted = pbkdf2Sync(password.reveal(), salt, iterations, 32, 'sha256')
  const key = (label: string) => createHmac('sha256', salted).update(label).digest()
  const storedKey = createHash('sha256').update(key('Client Key')).digest('base64')
  const serverKey = key('Server Key').toString('base64')
  return `SCRAM-SHA-256$${iterations}:${salt.toString('base64')}$${storedKey}:${serverKey}`
}
