import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateIdentity, identityToRecipient } from 'age-encryption'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { figures } from '../../../scripts/backup/figures.ts'
import { DUMP, HOST_FILES, listSets, MANIFEST, openSet } from '../../../scripts/backup/layout.ts'
import { differences, type Figures } from '../../../scripts/backup/manifest.ts'
import { restore } from '../../../scripts/backup/postgres.ts'
import { openSession } from '../../../scripts/backup/session.ts'
import { makeSet } from '../../../scripts/backup/set.ts'
import { hashFile } from '../../../scripts/backup/write-hashed.ts'
import { hostRoot } from './host-root.ts'
import { KEY, requestFor } from './request.ts'
import { addMessages, MISSING, type StandIn, startStandIn } from './stand-in.ts'

let standIn: StandIn
let identity: string
let recipient: string
let root: string
let home: string
let directory: string

const request = (o: Partial<Parameters<typeof requestFor>[0]> = {}) =>
  requestFor({ tools: standIn.tools(), directory, recipient, root, ...o })

async function figuresOf(database?: string): Promise<Figures> {
  const session = openSession(standIn.tools('postgres', database))
  return figures(session).finally(() => session.end())
}

describe.skipIf(MISSING)(`a backup set${MISSING && ` (${MISSING})`}`, { timeout: 60_000 }, () => {
  beforeAll(async () => {
    standIn = await startStandIn()
    await addMessages(standIn.sql, 20_000)
    home = await mkdtemp(join(tmpdir(), 'backup-set-'))
    root = await hostRoot(home)
    identity = await generateIdentity()
    recipient = await identityToRecipient(identity)
  })
  afterAll(async () => {
    const crashes = await standIn.crashes()
    await standIn.remove()
    await rm(home, { recursive: true })
    expect(crashes).toEqual([])
  })
  beforeEach(async () => {
    directory = await mkdtemp(join(home, 'sets-'))
  })

  it('is whole: a dump, the host’s own files and a signed manifest that tells their hashes', async () => {
    const { manifest } = await makeSet(request())
    const set = await openSet(directory, manifest.name, KEY)
    expect(set.manifest).toEqual(manifest)
    expect((await readdir(set.directory)).sort()).toEqual([DUMP, HOST_FILES, MANIFEST])
    for (const { name, bytes, sha256 } of manifest.files) {
      const { size, mode } = await stat(join(set.directory, name))
      expect([size, await hashFile(join(set.directory, name)), mode & 0o777]).toEqual([bytes, sha256, 0o600])
    }
    expect(manifest.database).toEqual(await figuresOf())
    expect(manifest.database.tables.find(({ name }) => name === 'messages')).toMatchObject({ rows: 20_000 })
    expect(manifest.database.migration).toMatch(/^00\d\d_/)
  })

  async function hostFilesOf(sealed: string): Promise<string> {
    const keyFile = join(home, 'recovery.key')
    await writeFile(keyFile, identity, { mode: 0o600 })
    const tar = execFileSync('age', ['--decrypt', '--identity', keyFile, sealed])
    return execFileSync('tar', ['--list', '--verbose', '--numeric-owner'], { input: tar, encoding: 'utf8' })
  }

  it('carries the host’s own files, sealed, with links as links, and nothing else', async () => {
    const { manifest } = await makeSet(request())
    const sealed = join(directory, manifest.name, HOST_FILES)
    expect((await readFile(sealed)).includes('host key')).toBe(false)
    const list = await hostFilesOf(sealed)
    expect(list).toContain('etc/letsencrypt/live/wa.test/privkey.pem -> ../../archive/wa.test/privkey1.pem')
    for (const path of ['etc/whatsapp-mcp/age.key', 'answers.yaml', 'stack.env', 'audit-1-2.ndjson.gz'])
      expect(list).toContain(path)
    expect(list).not.toContain('other')
  })

  it('carries every segment of the audit log that its dump can refer to', async () => {
    const closed = join(root, 'var/lib/whatsapp-mcp/audit/audit-3-4.ndjson.gz')
    const progress = (text: string) => {
      if (text.startsWith('dumping')) writeFileSync(closed, 'closed meanwhile')
    }
    const { manifest } = await makeSet({ ...request(), progress })
    await rm(closed)
    expect(await hostFilesOf(join(directory, manifest.name, HOST_FILES))).toContain('audit-3-4.ndjson.gz')
  })

  it('restores to the figures of its manifest, while the live database goes on', async () => {
    let going = true
    const traffic = (async () => {
      while (going) await addMessages(standIn.sql, 100)
    })()
    const { manifest } = await makeSet(request()).finally(() => {
      going = false
    })
    await traffic
    const live = await figuresOf()
    expect(differences(manifest.database, live).join()).toMatch(/messages has \d+ rows instead of/)
    await standIn.exec('createdb', '-U', 'postgres', '-T', 'template0', 'again')
    await restore(standIn.tools('postgres'), join(directory, manifest.name, DUMP), 'again')
    expect(differences(manifest.database, await figuresOf('again'))).toEqual([])
    await standIn.exec(
      'psql',
      '-U',
      'postgres',
      '-d',
      'again',
      '-qc',
      `update messages set body = body || '.' where id = (select id from messages limit 1)`,
    )
    expect(differences(manifest.database, await figuresOf('again'))).toEqual([
      'messages has rows with other contents.',
    ])
    await standIn.exec('dropdb', '-U', 'postgres', 'again')
    expect(await standIn.exec('ls', '-A', '/var/lib/postgresql')).toBe('18')
  })

  it('counts what the dump saw, and not what came a moment later', async () => {
    const wrapper = join(home, 'slow')
    // The second psql that reads from standard input is the one that counts.
    const script = `#!/bin/sh
case "$*" in *" psql -X -q -A "*)
  [ ! -e ${wrapper}.first ] || until [ -e ${wrapper}.go ]; do sleep 0.1; done
  : > ${wrapper}.first ;;
esac
exec docker exec -i "$@"
`
    await writeFile(wrapper, script, { mode: 0o700 })
    const before = await figuresOf()
    const making = makeSet(request({ tools: { ...standIn.tools(), prefix: [wrapper, standIn.container] } }))
    making.catch(() => undefined)
    const exported = () => standIn.sql`
      select 1 from pg_stat_activity where usename = 'wa_backup' and query ~ 'media_objects|pg_export_snapshot'`
    await expect.poll(async () => (await exported()).length).toBe(1)
    await addMessages(standIn.sql, 10)
    await writeFile(`${wrapper}.go`, '')
    expect((await making).manifest.database).toEqual(before)
  })

  it('has the same figures whatever the order of rows and the settings of role and database', async () => {
    const before = await figuresOf()
    await standIn.sql.unsafe(`
      update messages set updated_at = updated_at where id in (select id from messages order by random() limit 3000);
      alter database wa_mcp set timezone = 'Asia/Kathmandu';
      alter database wa_mcp set bytea_output = 'escape';
      alter database wa_mcp set extra_float_digits = 0;
      alter role postgres set datestyle = 'German';
      alter role postgres set intervalstyle = 'sql_standard'`)
    try {
      expect(await figuresOf()).toEqual(before)
    } finally {
      await standIn.sql.unsafe('alter database wa_mcp reset all; alter role postgres reset all')
    }
    const session = openSession(standIn.tools('wa_backup'))
    expect(await figures(session)).toEqual(before)
    await session.end()
  })

  it('counts every table there is', async () => {
    await standIn.sql.unsafe(
      'create table later (at timestamptz, x double precision); insert into later values (now(), 0.1)',
    )
    try {
      const { tables } = await figuresOf()
      const names = await standIn.sql<{ name: string }[]>`
        select relname as name from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace order by 1`
      expect(tables.map(({ name }) => name)).toEqual(names.map(({ name }) => name).sort())
      expect(tables.find(({ name }) => name === 'later')).toMatchObject({
        rows: 1,
        newest: expect.stringMatching(/\+00$/),
      })
    } finally {
      await standIn.sql.unsafe('drop table later')
    }
  })

  it('is not made when the dump shrank by more than half, unless that is allowed', async () => {
    const { manifest } = await makeSet(request({ now: new Date('2026-11-01T00:00:00Z') }))
    const dump = join(directory, manifest.name, DUMP)
    await truncate(dump, 3 * (await stat(dump)).size)
    const later = { now: new Date('2026-11-02T00:00:00Z') }
    await expect(makeSet(request(later))).rejects.toMatchObject({
      message: expect.stringContaining('less than half'),
      next: expect.stringContaining('--allow-shrink'),
    })
    expect(await readdir(directory)).toEqual([manifest.name])
    await makeSet(request({ ...later, allowShrink: true }))
    expect(await listSets(directory)).toEqual(['20261102T000000Z', manifest.name])
  })

  it('prunes only what had its time, after the new one has its name', async () => {
    for (let hour = 0; hour < 6; hour += 1) await mkdir(join(directory, `20261101T0${hour}0000Z`))
    const { removed } = await makeSet(request({ now: new Date('2026-11-01T06:00:00Z') }))
    expect(removed).toEqual(['20261101T010000Z', '20261101T020000Z', '20261101T030000Z'])
    expect(await listSets(directory)).toEqual([
      '20261101T060000Z',
      '20261101T050000Z',
      '20261101T040000Z',
      '20261101T000000Z',
    ])
    const again = await makeSet(request({ now: new Date('2026-11-02T06:00:00Z') }))
    expect(again.removed).toEqual(['20261101T040000Z'])
  })
})
