import { spawn } from 'node:child_process'
import { appendFile, mkdtemp, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type BackupSet, DUMP, HOST_FILES } from '../../../scripts/backup/layout.ts'
import type { Manifest } from '../../../scripts/backup/manifest.ts'
import { Refused } from '../../../scripts/lib/fail.ts'
import { checkFiles, Damaged, readToEnd } from '../../../scripts/restore/check.ts'
import { dropDatabase, restoreDatabase } from '../../../scripts/restore/database.ts'
import { countHeld, holdPending } from '../../../scripts/restore/hold.ts'
import { planRestore } from '../../../scripts/restore/plan.ts'
import { proveRestore, SCRATCH } from '../../../scripts/restore/prove.ts'
import {
  BESIDE,
  isKept,
  keptName,
  LIVE,
  listDatabases,
  swapDatabases,
} from '../../../scripts/restore/swap.ts'
import { Secret } from '../../../secrets/secret.ts'
import type { Database } from '../../../server/db/pool.ts'
import { KEY } from './request.ts'
import { addSample, makeSample } from './sample.ts'
import { MISSING, type StandIn, startStandIn } from './stand-in.ts'

describe.skipIf(MISSING)(`a restore${MISSING && ` (${MISSING})`}`, () => {
  let standIn: StandIn
  let directory: string
  let set: BackupSet
  /** The dump as it was made. */
  let intact: Buffer
  const dumpOf = ({ directory: at }: BackupSet) => join(at, DUMP)
  const names = async () => (await listDatabases(standIn.tools('postgres'))).map(({ name }) => name)

  beforeAll(async () => {
    standIn = await startStandIn()
    await addSample(standIn.sql)
    directory = await mkdtemp(join(tmpdir(), 'restore-sets-'))
    set = await makeSample(standIn, directory, new Date('2026-11-21T07:00:00Z'))
    intact = await readFile(dumpOf(set))
  }, 120_000)
  beforeEach(async () => {
    await writeFile(dumpOf(set), intact)
    for (const name of await names()) if (name !== LIVE) await dropDatabase(standIn.tools('postgres'), name)
  })
  afterAll(async () => {
    await standIn?.remove()
    await rm(directory, { recursive: true, force: true })
  })

  const restore = (manifest: Manifest = set.manifest) =>
    restoreDatabase({ tools: standIn.tools('postgres'), dump: dumpOf(set), manifest })
  /** What must have gone wrong, and that nothing is left of the attempt. */
  const fails = async (work: Promise<unknown>, kind: typeof Damaged | typeof Refused, message: string) => {
    const error = await work.then(
      () => undefined,
      (reason: unknown) => reason,
    )
    expect(error).toBeInstanceOf(kind)
    expect((error as Error).message).toContain(message)
    expect(await names()).toEqual([LIVE])
    expect(await leftovers()).toBe('')
  }
  const leftovers = async () => {
    const names = await standIn.exec('ls', '-A', '/var/lib/postgresql')
    return names
      .split('\n')
      .filter((name) => name.startsWith('.restore'))
      .join()
  }
  async function inside<T>(database: string, work: (sql: Database) => Promise<T>): Promise<T> {
    const sql = standIn.open(database)
    return work(sql).finally(() => sql.end({ timeout: 1 }))
  }

  test('brings back what was backed up, beside the live database', async () => {
    await standIn.sql`delete from messages where body like 'hello 1%'`
    expect(await restore()).toEqual({ database: BESIDE, differences: [] })
    expect(await names()).toEqual([LIVE, BESIDE])
    const count = (sql: Database) => sql`select count(*)::int as n from messages where direction = 'inbound'`
    expect(await inside(BESIDE, count)).toEqual([{ n: 200 }])
    expect(await count(standIn.sql)).toEqual([{ n: 200 - 111 }])
  })

  test('a second one replaces the first', async () => {
    await restore()
    await inside(BESIDE, (sql) => sql`truncate outbox`)
    expect(await restore()).toEqual({ database: BESIDE, differences: [] })
  })

  test('rights, owners and policies are those of a database made by migrations', async () => {
    await restore()
    const open = (sql: Database) =>
      sql`select has_database_privilege('wa_client', ${BESIDE}, 'connect') as it`
    expect(await open(standIn.sql)).toEqual([{ it: false }])
    await standIn.migrate(BESIDE)
    const rights = (sql: Database) => sql.unsafe(RIGHTS)
    const [live, restored] = await Promise.all([rights(standIn.sql), inside(BESIDE, rights)])
    expect(live.length).toBeGreaterThan(60)
    expect(restored).toEqual(live)
  })

  test('never goes into the live database', async () => {
    const work = restoreDatabase({
      ...{ tools: standIn.tools('postgres'), dump: dumpOf(set), manifest: set.manifest },
      into: LIVE,
    })
    await expect(work).rejects.toThrow('never into it')
    await expect(dropDatabase(standIn.tools('postgres'), LIVE)).rejects.toThrow('never dropped')
  })

  test.each([0, 1, 5, 100, 1_000, 10_000, 0.5, 0.9, 0.999])('a dump cut to %d is refused', async (part) => {
    const length = part < 1 ? Math.floor(intact.length * part) : part
    await truncate(dumpOf(set), length)
    await fails(restore(), Damaged, `has ${length} bytes instead of ${intact.length}`)
    // Whoever made a manifest for it finds out as well.
    await fails(readToEnd(standIn.tools('postgres'), dumpOf(set)), Damaged, 'cannot be read to its end')
  })

  test('one bit, anywhere, is noticed', async () => {
    for (let n = 0; n < 20; n++) {
      const copy = Buffer.from(intact)
      const place = Math.floor(Math.random() * copy.length)
      copy[place] = (copy[place] ?? 0) ^ (1 << (n % 8))
      await writeFile(dumpOf(set), copy)
      await fails(restore(), Damaged, 'its SHA-256 is not the manifest')
    }
  })

  test('a dump that was damaged before it was signed is Damaged too, and not Postgres’ fault', async () => {
    const copy = Buffer.from(intact)
    copy.fill(0x55, Math.floor(copy.length * 0.6), Math.floor(copy.length * 0.7))
    await writeFile(dumpOf(set), copy)
    const { hashFile } = await import('../../../scripts/backup/write-hashed.ts')
    const sha256 = await hashFile(dumpOf(set))
    const files = set.manifest.files.map((file) => (file.name === DUMP ? { ...file, sha256 } : file))
    await fails(restore({ ...set.manifest, files }), Damaged, 'cannot be read to its end')
  })

  test('rows that differ from the manifest are named', async () => {
    const tables = set.manifest.database.tables.map((table) =>
      table.name === 'messages' ? { ...table, rows: table.rows + 1 } : table,
    )
    const manifest = { ...set.manifest, database: { ...set.manifest.database, tables } }
    const { differences } = await restore(manifest)
    expect(differences).toEqual(['messages has 204 rows instead of 205.'])
    await dropDatabase(standIn.tools('postgres'), BESIDE)
    const proof = proveRestore({
      tools: standIn.tools('postgres'),
      set: { ...set, manifest },
      progress: () => {},
    })
    await fails(proof, Damaged, 'is not what was backed up')
  })

  test('a proof restores, compares and leaves nothing', async () => {
    const proof = await proveRestore({ tools: standIn.tools('postgres'), set, progress: () => {} })
    expect(proof).toMatchObject({ set: set.name, bytes: intact.length })
    expect(proof.rows).toBeGreaterThan(200)
    expect(await names()).toEqual([LIVE])
    expect(await names()).not.toContain(SCRATCH)
  })

  test('every file of a set is checked', async () => {
    await checkFiles(set)
    const host = join(set.directory, HOST_FILES)
    const before = await readFile(host)
    await appendFile(host, 'x')
    await expect(checkFiles(set)).rejects.toThrow(
      `has ${before.length + 1} bytes instead of ${before.length}`,
    )
    await rm(host)
    await expect(checkFiles(set)).rejects.toThrow('cannot be read (ENOENT)')
    await writeFile(host, before, { mode: 0o600 })
    await checkFiles(set)
  })

  test('a dump without a line in the manifest, or too large for the disk, is refused', async () => {
    const files = set.manifest.files.filter(({ name }) => name !== DUMP)
    await fails(restore({ ...set.manifest, files }), Damaged, 'holds no database.dump')
    const small = await startStandIn({ room: '96m' })
    try {
      const huge = join(directory, 'huge')
      await writeFile(huge, '')
      await truncate(huge, 20_000_000)
      const { hashFile } = await import('../../../scripts/backup/write-hashed.ts')
      const manifest = {
        ...set.manifest,
        files: [{ name: DUMP, bytes: 20_000_000, sha256: await hashFile(huge) }],
      }
      await expect(restoreDatabase({ tools: small.tools('postgres'), dump: huge, manifest })).rejects.toThrow(
        Refused,
      )
    } finally {
      await small.remove()
    }
  })

  test('one that is killed leaves the live database alone, and the next run ends well', async () => {
    const before = await inside(LIVE, (sql) => sql`select count(*)::int as n from messages`)
    for (const after of [150, 400, 700, 1_000, 1_500]) {
      const script = `
        const { restoreDatabase } = await import('${new URL('../../../scripts/restore/database.ts', import.meta.url)}')
        await restoreDatabase(JSON.parse(process.argv[1]))
        console.log('done')`
      const o = JSON.stringify({
        tools: standIn.tools('postgres'),
        dump: dumpOf(set),
        manifest: set.manifest,
      })
      const child = spawn(process.execPath, ['--input-type=module', '--eval', script, '--', o], {
        stdio: 'ignore',
      })
      // A quick machine may be done before it is killed.
      const closed = new Promise((resolve) => child.once('close', resolve))
      await new Promise((resolve) => setTimeout(resolve, after))
      child.kill('SIGKILL')
      await closed
      expect(await inside(LIVE, (sql) => sql`select count(*)::int as n from messages`)).toEqual(before)
      expect(await restore()).toEqual({ database: BESIDE, differences: [] })
    }
    expect(await leftovers()).toBe('')
  }, 180_000)

  describe('the exchange', () => {
    const exchange = (keep = keptName('20261121T080000Z')) =>
      swapDatabases({ tools: standIn.tools('postgres'), fresh: BESIDE, keep, note: 'restored' })
    const mark = (database: string, text: string) =>
      inside(database, (sql) => sql`update clients set display_name = ${text}`)
    const marked = async (database: string) =>
      (await inside(database, (sql) => sql<{ it: string }[]>`select display_name as it from clients`))[0]?.it

    beforeEach(async () => {
      await restore()
      await standIn.migrate(BESIDE)
      await mark(BESIDE, 'restored')
      await mark(LIVE, 'lived')
    })

    test('renames both, keeps the live one, and disconnects who is left', async () => {
      const user = standIn.open(LIVE)
      await user`select 1`
      await exchange()
      const [live, kept] = await listDatabases(standIn.tools('postgres'))
      expect(live).toMatchObject({ name: LIVE, note: 'restored' })
      expect(kept).toMatchObject({ name: 'wa_mcp_before_20261121T080000Z', note: '' })
      expect(isKept(kept?.name ?? '')).toBe(true)
      expect(await marked(LIVE)).toBe('restored')
      expect(await marked(kept?.name ?? '')).toBe('lived')
      await user.end({ timeout: 1 }).catch(() => undefined)
    })

    test('is all or nothing', async () => {
      await inside('postgres', (sql) => sql`create database wa_mcp_before_taken`)
      await expect(exchange(keptName('taken'))).rejects.toThrow()
      expect(await marked(LIVE)).toBe('lived')
      expect(await marked(BESIDE)).toBe('restored')
      await dropDatabase(standIn.tools('postgres'), BESIDE)
      await expect(exchange()).rejects.toThrow()
      expect(await marked(LIVE)).toBe('lived')
    })
  })

  test('what was pending is held in the restored database, and only there', async () => {
    await restore()
    const tools = { ...standIn.tools('postgres'), database: BESIDE }
    expect(await holdPending(tools)).toEqual({ held: 3, unknown: 1 })
    expect(await countHeld(tools)).toEqual({ held: 3, unknown: 1 })
    expect(await countHeld(standIn.tools('postgres'))).toEqual({ held: 0, unknown: 0 })
    const states = (sql: Database) =>
      sql`select state, count(*)::int as n from outbox group by state order by state`
    expect(await inside(BESIDE, states)).toEqual([
      { state: 'done', n: 1 },
      { state: 'held', n: 3 },
    ])
  })

  describe('the plan', () => {
    const plan = (o: { name?: string; key?: Secret; without?: string[] } = {}) =>
      planRestore({ tools: standIn.tools('postgres'), directory, key: KEY, jobs: directory, ...o })

    test('says what would be done and changes nothing', async () => {
      const { plan: found } = await plan()
      expect(found).toMatchObject({ set: set.name, bytes: intact.length, skipped: [], missing: [] })
      expect(found.estimated_seconds).toBeGreaterThan(0)
      expect(found.room?.needed).toBeGreaterThan(intact.length)
      expect(found.databases.map(({ name }) => name)).toEqual([LIVE])
    })

    test('skips a newer set that is not ours, unless it was asked for', async () => {
      const newer = await makeSample(standIn, directory, new Date('2026-11-21T07:30:00Z'))
      try {
        expect((await plan()).plan.set).toBe(newer.name)
        expect((await plan({ without: [newer.name] })).plan.set).toBe(set.name)
        const path = join(newer.directory, 'manifest.json')
        await writeFile(path, (await readFile(path, 'utf8')).replace('"host": "wa"', '"host": "evil"'))
        const { plan: older } = await plan()
        expect(older.set).toBe(set.name)
        expect(older.skipped).toMatchObject([{ name: newer.name }])
        await expect(plan({ name: newer.name })).rejects.toThrow('was not signed with')
        await expect(plan({ name: '20200101T000000Z' })).rejects.toThrow(
          'there is no backup set 20200101T000000Z',
        )
      } finally {
        await rm(newer.directory, { recursive: true })
      }
    })

    test('refuses what another key has signed, a newer schema, and a Postgres that is away', async () => {
      await expect(plan({ key: new Secret('00'.repeat(32)) })).rejects.toThrow('was not signed with')
      const dead = { ...standIn.tools('postgres'), prefix: ['docker', 'exec', '-i', 'wa-test-nobody'] }
      const { plan: blind } = await planRestore({ tools: dead, directory, key: KEY, jobs: directory })
      expect(blind.missing.join()).toContain('Postgres does not answer')
      expect((await stat(dumpOf(set))).size).toBe(intact.length)
    })
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
