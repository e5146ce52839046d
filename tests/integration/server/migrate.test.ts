import { afterAll, beforeAll, expect, test } from 'vitest'
import { HistoryError, migrate } from '../../../server/db/migrate.ts'
import { MIGRATIONS } from '../../../server/db/migrations.ts'
import { connect, type Database } from '../../../server/db/pool.ts'
import { createDatabase, PASSWORDS, type TestDatabase } from '../database.ts'

let db: TestDatabase
let app: Database

beforeAll(async () => {
  db = await createDatabase({ isEmpty: true })
  await db.migrate()
  app = connect({ url: db.url, role: 'wa_app', password: PASSWORDS.app, max: 1 })
})
afterAll(async () => {
  await app?.end({ timeout: 1 })
  await db?.drop()
})

const names = MIGRATIONS.map(({ name }) => name)
const run = (migrations = MIGRATIONS) =>
  db.exclusively(() =>
    migrate(
      {
        databaseUrl: db.url,
        superuserPassword: db.superuserPassword,
        ownerPassword: PASSWORDS.owner,
        appPassword: PASSWORDS.app,
      },
      migrations,
    ),
  )

test('two at once apply everything once; one more finds nothing to do', async () => {
  const fresh = await createDatabase({ isEmpty: true })
  const applied = await Promise.all([fresh.migrate(), fresh.migrate()])
  expect(applied.flat()).toEqual(names)
  expect(await fresh.migrate()).toEqual([])
  await fresh.drop()
})

test('a failing migration leaves nothing behind, and the next run goes on from there', async () => {
  const bad = { name: '0003_bad', sql: 'create table half_done (id int); select 1/0', checksum: 'x' }
  await expect(run([...MIGRATIONS, bad])).rejects.toThrow('division by zero')
  expect((await db.sql`select to_regclass('half_done') as it`)[0]?.it).toBeNull()
  expect(await run([...MIGRATIONS, { ...bad, sql: 'select 1' }])).toEqual(['0003_bad'])
  await db.sql`delete from schema_migrations where name = '0003_bad'`
})

test('an edited history is refused, and so is a database that is newer than the program', async () => {
  const edited = MIGRATIONS.map((migration, index) =>
    index === 0 ? { ...migration, checksum: 'other' } : migration,
  )
  await expect(run(edited)).rejects.toThrow(HistoryError)
  await expect(run(edited)).rejects.toThrow('0001_tenancy was applied with other contents')
  await expect(run(MIGRATIONS.slice(0, 1))).rejects.toThrow('does not know')
})

test('D1.1 an empty Postgres gets the tenancy tables', async () => {
  const rows = await db.sql<{ name: string }[]>`
    select relname as name from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace`
  const tables = ['clients', 'api_keys', 'phone_numbers', 'client_phone_grants']
  expect(rows.map(({ name }) => name)).toEqual(expect.arrayContaining(tables))
})

test('D4.9 no message is without a client', async () => {
  const [column] = await db.sql<{ is_nullable: string }[]>`
    select is_nullable from information_schema.columns where table_name = 'messages' and column_name = 'client_id'`
  expect(column?.is_nullable).toBe('NO')
})

/** What each role may do with each table, and nothing beyond: s select, i insert, u update, d delete; columns in brackets. */
const APP = {
  api_keys: 's i u(expires_at,hash,last_used_at,last_used_ip,revoked_at)',
  audit_head: 's u',
  audit_log: 's i',
  audit_segments: 's i(file,first_id,last_hash,last_id,sha256)',
  client_phone_grants: 's i u',
  clients: 's i u(disabled_at,display_name,metadata)',
  contact_identities: 's i u d',
  contacts: 's i u d',
  cron_runs: 's i u d',
  mcp_sessions: 's i u d',
  media_objects: 's i u d',
  message_statuses: 's i u d',
  messages: 's i u d',
  meta_apps: 's i u',
  outbox: 's i u d',
  phone_numbers: 's i u',
  rate_limit_buckets: 's i u d',
  schema_migrations: 's',
  templates: 's i u d',
  // Old deliveries are removed; none is ever changed.
  webhook_events: 's i u(error,processed_at) d',
}
const EXPECTED: Record<string, Record<string, string>> = {
  wa_app: APP,
  wa_client: {
    client_phone_grants: 's',
    contact_identities: 's',
    contacts: 's',
    media_objects: 's',
    message_statuses: 's',
    messages:
      's(attempts,body,client_id,contact_id,created_at,direction,error,error_code,id,media_object_id,message_type,payload,' +
      'phone_number_id,pricing,reply_to_wamid,request_id,search,status,updated_at,wa_message_id,wa_timestamp)',
    phone_numbers:
      's(disabled_at,display_number,id,label,messaging_limit,monthly_billable_cap,paused_at,paused_reason,quality_rating,' +
      'throttled_until,wa_business_account_id,wa_phone_number_id)',
    rate_limit_buckets: 's',
    templates: 's',
  },
  // A dump has to be whole.
  wa_backup: Object.fromEntries(Object.keys(APP).map((table) => [table, 's'])),
  wa_audit_archiver: { audit_log: 's', audit_segments: 's' },
}

test.each(Object.keys(EXPECTED))('%s has the rights it needs on each table, and no other', async (role) => {
  const rows = await db.sql<{ table: string; rights: string }[]>`
    select c.relname as table, string_agg(coalesce(whole.letter, part.letters), ' ' order by n) as rights
    from pg_class c
    cross join unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}'::text[], '{s,i,u,d,truncate,references,trigger}'::text[])
      with ordinality as p (privilege, letter, n)
    left join lateral (select p.letter where has_table_privilege(${role}, c.oid, p.privilege)) whole on true
    left join lateral (
      select p.letter || '(' || string_agg(attname, ',' order by attname) || ')' as letters from pg_attribute a
      where a.attrelid = c.oid and attnum > 0 and not attisdropped and p.privilege in ('SELECT', 'INSERT', 'UPDATE', 'REFERENCES')
        and has_column_privilege(${role}, c.oid, attnum, p.privilege)) part on true
    where relkind = 'r' and relnamespace = 'public'::regnamespace
    group by 1 having count(whole.letter) + count(part.letters) > 0`
  expect(Object.fromEntries(rows.map(({ table, rights }) => [table, rights]))).toEqual(EXPECTED[role])
})

test('nobody who is not named may see or run anything', async () => {
  const [row] = await db.sql`
    select has_schema_privilege('public', 'public', 'usage') as schema,
      has_function_privilege('wa_client', 'audit_prune(interval)', 'execute') as client_prunes,
      has_function_privilege('wa_app', 'audit_prune(interval)', 'execute') as app_prunes,
      has_database_privilege('wa_client', current_database(), 'connect') as client_connects,
      (select rolcanlogin from pg_roles where rolname = 'wa_client') as client_logs_in,
      (select string_agg(rolname, ' ' order by rolname) from pg_roles where rolname like 'wa\\_%' and rolbypassrls) as sees_every_row`
  expect(row).toEqual({
    schema: false,
    client_prunes: false,
    app_prunes: true,
    client_connects: false,
    client_logs_in: false,
    sees_every_row: 'wa_backup',
  })
})

test('the server’s role may do its work and nothing beyond', async () => {
  const denied = /permission denied|must be (owner|able)/
  await app`select 1 from clients`
  await app`update api_keys set last_used_at = now() where false`
  await expect(app`update api_keys set client_id = gen_random_uuid() where false`).rejects.toThrow(denied)
  await expect(app`update webhook_events set body = ''`).rejects.toThrow(denied)
  await expect(app`insert into schema_migrations (name, checksum) values ('x', 'y')`).rejects.toThrow(denied)
  await expect(app`create table mine (id int)`).rejects.toThrow(denied)
  await expect(app`create temporary table mine (id int)`).rejects.toThrow(denied)
  await expect(app`select pg_read_file('/etc/passwd')`).rejects.toThrow(denied)
  await expect(app`select rolpassword from pg_authid`).rejects.toThrow(denied)
  for (const role of ['wa_owner', 'wa_backup', 'wa_audit_archiver', 'postgres']) {
    await expect(app.unsafe(`set role ${role}`)).rejects.toThrow(denied)
  }
  await expect(app`alter table audit_log disable trigger all`).rejects.toThrow(denied)
  await expect(app`drop table audit_log`).rejects.toThrow(denied)
})

test('a password is changed by running it again, and no other is let in', async () => {
  const wrong = connect({ url: db.url, role: 'wa_app', password: PASSWORDS.owner, max: 1 })
  await expect(wrong`select 1`).rejects.toThrow('password authentication failed')
  await wrong.end({ timeout: 1 })
})
