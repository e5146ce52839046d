import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connect } from '../../../server/db/pool.ts'
import { ClientScope } from '../../../server/db/scoped.ts'
import { PASSWORDS } from '../database.ts'
import type { Desk, Setup } from './desk.ts'
import { startTenants } from './tenants.ts'

let desk: Desk
let b: Setup

beforeAll(async () => {
  ;({ desk, b } = await startTenants())
})
afterAll(() => desk?.stop())

describe('row-level security', () => {
  const app = () => connect({ url: desk.harness.db.url, role: 'wa_app', password: PASSWORDS.app, max: 1 })

  test('protects every table tools can select from, and they can write to none', async () => {
    const tables = await desk.harness.db.sql<{ name: string; rls: boolean; writes: boolean }[]>`
      select relname as name, relrowsecurity as rls,
        has_any_column_privilege('wa_client', oid, 'insert, update') or has_table_privilege('wa_client', oid, 'delete, truncate') as writes
      from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm', 'f')
        and has_any_column_privilege('wa_client', oid, 'select')`
    expect(tables.map(({ name }) => name)).toContain('messages')
    expect(tables.filter(({ rls, writes }) => !rls || writes)).toEqual([])

    const sql = app()
    for (const { name } of tables) {
      // Without a tenant nobody sees anything, however the query is written.
      const seen = sql.begin(async (tx) => {
        await tx`set local role wa_client`
        return await tx`select 1 from ${tx(name)} limit 1`
      })
      expect((await seen).length, name).toBe(0)
    }
    await sql.end({ timeout: 1 })
  })

  test('a handle sees the numbers it was made for, may not write, and leaves nothing behind', async () => {
    const sql = app()
    const scope = new ClientScope(sql, { clientId: b.client.id, numberIds: [b.number.id] })
    const count = (table: string) =>
      scope.read((tx) => tx`select id from ${tx(table)}`).then(({ length }) => length)
    expect([
      await count('phone_numbers'),
      await count('media_objects'),
      await count('message_statuses'),
    ]).toEqual([1, 0, 0])
    const nothing = new ClientScope(sql, { clientId: b.client.id, numberIds: [] })
    expect(await nothing.read((tx) => tx`select 1 from messages`)).toHaveLength(0)
    await expect(scope.read((tx) => tx`update messages set body = ''`)).rejects.toThrow(/read-only/)
    await expect(scope.read((tx) => tx`select hash from api_keys`)).rejects.toThrow(/permission denied/)
    await expect(scope.read((tx) => tx`select access_token_secret_ref from phone_numbers`)).rejects.toThrow(
      /permission denied/,
    )
    await expect(scope.read(() => Promise.reject(new Error('a tool failed')))).rejects.toThrow(
      'a tool failed',
    )
    const [after] = await sql`select current_user as who, current_setting('wa.numbers', true) as numbers`
    expect(after).toEqual({ who: 'wa_app', numbers: '' })
    await sql.end({ timeout: 1 })
  })
})
