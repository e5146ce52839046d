import { afterAll, beforeAll, expect, test } from 'vitest'
import { HistoryError, migrate } from '../../../server/db/migrate.ts'
import { MIGRATIONS } from '../../../server/db/migrations.ts'
import { connect, type Database } from '../../../server/db/pool.ts'
import { createDatabase, PASSWORDS, type TestDatabase } from '../database.ts'

let db: TestDatabase
let app: Database

beforeAll(async () => {
  db = await createDatabase()
  await db.migrate()
  app = connect({ url: db.url, role: 'wa_app', password: PASSWORDS.app, max: 1 })
})
afterAll(async () => {
  await app?.end({ timeout: 1 })
  await db?.drop()
})

const names = MIGRATIONS.map(({ name }) => name)
const run = (migrations = MIGRATIONS) =>
  migrate(
    {
      databaseUrl: db.url,
      superuserPassword: db.superuserPassword,
      ownerPassword: PASSWORDS.owner,
      appPassword: PASSWORDS.app,
    },
    migrations,
  )

test('two at once apply everything once; one more finds nothing to do', async () => {
  const fresh = await createDatabase()
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

test('the server’s role may do its work and nothing beyond', async () => {
  const denied = /permission denied|must be (owner|able)/
  await app`select 1 from clients`
  await app`update api_keys set last_used_at = now() where false`
  await expect(app`update api_keys set client_id = gen_random_uuid() where false`).rejects.toThrow(denied)
  await expect(app`delete from webhook_events`).rejects.toThrow(denied)
  await expect(app`update webhook_events set body = ''`).rejects.toThrow(denied)
  await expect(app`insert into schema_migrations (name, checksum) values ('x', 'y')`).rejects.toThrow(denied)
  await expect(app`create table mine (id int)`).rejects.toThrow(denied)
  await expect(app`create temporary table mine (id int)`).rejects.toThrow(denied)
  await expect(app`select pg_read_file('/etc/passwd')`).rejects.toThrow(denied)
  await expect(app`select rolpassword from pg_authid`).rejects.toThrow(denied)
  await expect(app`set role wa_owner`).rejects.toThrow(denied)
})

test('a password is changed by running it again, and no other is let in', async () => {
  const wrong = connect({ url: db.url, role: 'wa_app', password: PASSWORDS.owner, max: 1 })
  await expect(wrong`select 1`).rejects.toThrow('password authentication failed')
  await wrong.end({ timeout: 1 })
})
