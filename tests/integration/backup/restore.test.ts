import { spawn } from 'node:child_process'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { dropDatabase, restoreDatabase } from '../../../scripts/restore/database.ts'
import { countHeld, holdPending } from '../../../scripts/restore/hold.ts'
import { proveRestore, SCRATCH } from '../../../scripts/restore/prove.ts'
import {
  BESIDE,
  isKept,
  keptName,
  LIVE,
  listDatabases,
  swapDatabases,
} from '../../../scripts/restore/swap.ts'
import type { Database } from '../../../server/db/pool.ts'
import { type RestoreStage, startRestoreStage } from './restore-stage.ts'
import { MISSING } from './stand-in.ts'

describe.skipIf(MISSING)(`a restore${MISSING && ` (${MISSING})`}`, () => {
  let stage: RestoreStage

  beforeAll(async () => {
    stage = await startRestoreStage()
  }, 120_000)
  beforeEach(() => stage.clear())
  afterAll(() => stage?.stop())

  test('brings back what was backed up, beside the live database', async () => {
    await stage.standIn.sql`delete from messages where body like 'hello 1%'`
    expect(await stage.restore()).toEqual({ database: BESIDE, differences: [] })
    expect(await stage.names()).toEqual([LIVE, BESIDE])
    const count = (sql: Database) => sql`select count(*)::int as n from messages where direction = 'inbound'`
    expect(await stage.inside(BESIDE, count)).toEqual([{ n: 200 }])
    expect(await count(stage.standIn.sql)).toEqual([{ n: 200 - 111 }])
  })

  test('a second one replaces the first', async () => {
    await stage.restore()
    await stage.inside(BESIDE, (sql) => sql`truncate outbox`)
    expect(await stage.restore()).toEqual({ database: BESIDE, differences: [] })
  })

  test('rights, owners and policies are those of a database made by migrations', async () => {
    await stage.restore()
    const open = (sql: Database) =>
      sql`select has_database_privilege('wa_client', ${BESIDE}, 'connect') as it`
    expect(await open(stage.standIn.sql)).toEqual([{ it: false }])
    await stage.standIn.migrate(BESIDE)
    const rights = (sql: Database) => sql.unsafe(RIGHTS)
    const [live, restored] = await Promise.all([rights(stage.standIn.sql), stage.inside(BESIDE, rights)])
    expect(live.length).toBeGreaterThan(60)
    expect(restored).toEqual(live)
  })

  test('never goes into the live database', async () => {
    const work = restoreDatabase({
      ...{ tools: stage.tools, dump: stage.dump, manifest: stage.set.manifest },
      into: LIVE,
    })
    await expect(work).rejects.toThrow('never into it')
    await expect(dropDatabase(stage.tools, LIVE)).rejects.toThrow('never dropped')
  })

  test('a proof restores, compares and leaves nothing', async () => {
    const proof = await proveRestore({ tools: stage.tools, set: stage.set, progress: () => {} })
    expect(proof).toMatchObject({ set: stage.set.name, bytes: stage.intact.length })
    expect(proof.rows).toBeGreaterThan(200)
    expect(await stage.names()).toEqual([LIVE])
    expect(await stage.names()).not.toContain(SCRATCH)
  })

  test('one that is killed leaves the live database alone, and the next run ends well', async () => {
    const before = await stage.inside(LIVE, (sql) => sql`select count(*)::int as n from messages`)
    for (const after of [150, 400, 700, 1_000, 1_500]) {
      const script = `
        const { restoreDatabase } = await import('${new URL('../../../scripts/restore/database.ts', import.meta.url)}')
        await restoreDatabase(JSON.parse(process.argv[1]))
        console.log('done')`
      const o = JSON.stringify({
        tools: stage.tools,
        dump: stage.dump,
        manifest: stage.set.manifest,
      })
      const child = spawn(process.execPath, ['--input-type=module', '--eval', script, '--', o], {
        stdio: 'ignore',
      })
      // A quick machine may be done before it is killed.
      const closed = new Promise((resolve) => child.once('close', resolve))
      await new Promise((resolve) => setTimeout(resolve, after))
      child.kill('SIGKILL')
      await closed
      expect(await stage.inside(LIVE, (sql) => sql`select count(*)::int as n from messages`)).toEqual(before)
      expect(await stage.restore()).toEqual({ database: BESIDE, differences: [] })
    }
    expect(await stage.leftovers()).toBe('')
  }, 180_000)

  describe('the exchange', () => {
    const exchange = (keep = keptName('20261121T080000Z')) =>
      swapDatabases({ tools: stage.tools, fresh: BESIDE, keep, note: 'restored' })
    const mark = (database: string, text: string) =>
      stage.inside(database, (sql) => sql`update clients set display_name = ${text}`)
    const marked = async (database: string) =>
      (
        await stage.inside(database, (sql) => sql<{ it: string }[]>`select display_name as it from clients`)
      )[0]?.it

    beforeEach(async () => {
      await stage.restore()
      await stage.standIn.migrate(BESIDE)
      await mark(BESIDE, 'restored')
      await mark(LIVE, 'lived')
    })

    test('renames both, keeps the live one, and disconnects who is left', async () => {
      const user = stage.standIn.open(LIVE)
      await user`select 1`
      await exchange()
      const [live, kept] = await listDatabases(stage.tools)
      expect(live).toMatchObject({ name: LIVE, note: 'restored' })
      expect(kept).toMatchObject({ name: 'wa_mcp_before_20261121T080000Z', note: '' })
      expect(isKept(kept?.name ?? '')).toBe(true)
      expect(await marked(LIVE)).toBe('restored')
      expect(await marked(kept?.name ?? '')).toBe('lived')
      await user.end({ timeout: 1 }).catch(() => undefined)
    })

    test('is all or nothing', async () => {
      await stage.inside('postgres', (sql) => sql`create database wa_mcp_before_taken`)
      await expect(exchange(keptName('taken'))).rejects.toThrow()
      expect(await marked(LIVE)).toBe('lived')
      expect(await marked(BESIDE)).toBe('restored')
      await dropDatabase(stage.tools, BESIDE)
      await expect(exchange()).rejects.toThrow()
      expect(await marked(LIVE)).toBe('lived')
    })
  })

  test('what was pending is held in the restored database, and only there', async () => {
    await stage.restore()
    const tools = { ...stage.tools, database: BESIDE }
    expect(await holdPending(tools)).toEqual({ held: 3, unknown: 1 })
    expect(await countHeld(tools)).toEqual({ held: 3, unknown: 1 })
    expect(await countHeld(stage.tools)).toEqual({ held: 0, unknown: 0 })
    const states = (sql: Database) =>
      sql`select state, count(*)::int as n from outbox group by state order by state`
    expect(await stage.inside(BESIDE, states)).toEqual([
      { state: 'done', n: 1 },
      { state: 'held', n: 3 },
    ])
  })
})

/** Owner, rights and policies of everything in the database, and the rights on the database itself. */
const RIGHTS = `
  select 'relation' as kind, oid::regclass::text as name, relowner::regrole::text as owner, relacl::text[] as acl,
    relrowsecurity::text as more from pg_class where relnamespace = 'public'::regnamespace
  union all select 'column', attrelid::regclass || '.' || attname, '', attacl::text[], '' from pg_attribute
    where attrelid in (select oid from pg_class where relnamespace = 'public'::regnamespace) and attacl is not null
  union all select 'function', oid::regprocedure::text, proowner::regrole::text, proacl::text[], prosecdef::text || proconfig::text
    from pg_proc where pronamespace = 'public'::regnamespace
  union all select 'policy', polrelid::regclass || '.' || polname, '', polroles::regrole[]::text[],
    polcmd::text || coalesce(pg_get_expr(polqual, polrelid), '') || coalesce(pg_get_expr(polwithcheck, polrelid), '') from pg_policy
  union all select 'trigger', tgrelid::regclass || '.' || tgname, tgenabled::text, null, pg_get_triggerdef(oid)
    from pg_trigger where not tgisinternal
  union all select 'schema', nspname, nspowner::regrole::text, nspacl::text[], '' from pg_namespace where nspname = 'public'
  union all select 'database', '', datdba::regrole::text, datacl::text[], datcollate || datlocprovider::text || datlocale
    from pg_database where datname = current_database()
  order by kind, name`
