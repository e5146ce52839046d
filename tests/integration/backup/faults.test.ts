import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateIdentity, identityToRecipient } from 'age-encryption'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { makeDump } from '../../../scripts/backup/dump.ts'
import { beginSnapshot, figures } from '../../../scripts/backup/figures.ts'
import { listSets, openSet } from '../../../scripts/backup/layout.ts'
import { openSession } from '../../../scripts/backup/session.ts'
import { makeSet } from '../../../scripts/backup/set.ts'
import { Refused } from '../../../scripts/lib/fail.ts'
import { hostRoot } from './host-root.ts'
import { KEY, requestFor } from './request.ts'
import { addMessages, MISSING, type StandIn, startStandIn } from './stand-in.ts'

const WORKER = join(import.meta.dirname, 'make-set.ts')

let standIn: StandIn
let recipient: string
let root: string
let home: string
let directory: string

const options = () => ({ tools: standIn.tools(), directory, recipient, root })

/** Who of ours is connected to the database. */
async function connected(): Promise<string[]> {
  const rows = await standIn.sql<{ name: string }[]>`
    select case when query ~ '^COPY|LOCK TABLE' then 'dump' when query ~ 'only messages' then 'counter' else 'keeper' end as name
    from pg_stat_activity where usename = 'wa_backup' order by 1`
  return rows.map(({ name }) => name)
}

/** Programs of ours that run in the container. */
async function processes(): Promise<string[]> {
  const script = 'for p in /proc/[0-9]*; do tr "\\0" " " < $p/cmdline; echo; done'
  const list = await standIn.exec('sh', '-c', script)
  return list.split('\n').filter((line) => /^(\S*\/)?(pg_dump|pg_restore|psql|cat) /.test(line))
}

/** Keeps `table` locked, so that a dump stands still. */
async function locked(table: string): Promise<{ release(): Promise<void> }> {
  const session = openSession(standIn.tools('postgres'))
  await session.query('begin')
  await session.query(`lock table ${table} in access exclusive mode`)
  return { release: () => session.end() }
}

const startWorker = () =>
  spawn(process.execPath, [WORKER, JSON.stringify(options())], { stdio: ['ignore', 'ignore', 'pipe'] })

describe.skipIf(MISSING)(
  `making a set, when things go wrong${MISSING && ` (${MISSING})`}`,
  { timeout: 60_000 },
  () => {
    beforeAll(async () => {
      standIn = await startStandIn()
      await addMessages(standIn.sql, 30_000)
      home = await mkdtemp(join(tmpdir(), 'backup-faults-'))
      root = await hostRoot(home)
      recipient = await identityToRecipient(await generateIdentity())
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

    it('killed at any moment, leaves a whole set or none, and nothing at work; the next run is clean', {
      timeout: 180_000,
    }, async () => {
      const from = performance.now()
      const whole = startWorker()
      await once(whole, 'exit')
      const length = performance.now() - from
      for (let part = 1; part <= 8; part += 1) {
        const worker = startWorker()
        const exited = once(worker, 'exit')
        await new Promise((wake) => setTimeout(wake, (length * part) / 8))
        worker.kill('SIGKILL')
        await exited
        for (const name of await listSets(directory)) await openSet(directory, name, KEY)
      }
      await expect.poll(connected).toEqual([])
      await expect.poll(processes).toEqual([])
      const { manifest } = await makeSet(requestFor({ ...options(), now: new Date(Date.now() + 5000) }))
      expect((await readdir(directory)).filter((name) => name.startsWith('.'))).toEqual([])
      expect((await listSets(directory))[0]).toBe(manifest.name)
    })

    it('killed while the dump waits, takes pg_dump with it', async () => {
      const lock = await locked('messages')
      const worker = startWorker()
      const exited = once(worker, 'exit')
      await expect.poll(connected).toContain('dump')
      worker.kill('SIGKILL')
      await exited
      await expect.poll(connected).not.toContain('dump')
      await lock.release()
      await expect.poll(connected).toEqual([])
      await expect.poll(processes).toEqual([])
      expect(await listSets(directory)).toEqual([])
    })

    it('fails when pg_dump loses its connection half-way, and says what pg_dump said', async () => {
      const lock = await locked('messages')
      const making = makeSet(requestFor(options()))
      making.catch(() => undefined)
      await expect.poll(connected).toContain('dump')
      await standIn.sql`select pg_terminate_backend(pid) from pg_stat_activity where usename = 'wa_backup' and query ~ 'LOCK TABLE'`
      await lock.release()
      await expect(making).rejects.toMatchObject({
        message: expect.stringContaining('pg_dump ended with 1'),
        output: expect.stringContaining('terminating connection'),
      })
      expect(await readdir(directory)).toEqual([])
      await expect.poll(connected).toEqual([])
    })

    it('fails when the figures’ connection is lost', async () => {
      const lock = await locked('messages')
      const making = makeSet(requestFor(options()))
      making.catch(() => undefined)
      await expect.poll(connected).toContain('counter')
      await standIn.sql`select pg_terminate_backend(pid) from pg_stat_activity where usename = 'wa_backup' and query ~ 'only messages'`
      await lock.release()
      await expect(making).rejects.toMatchObject({ message: expect.stringContaining('psql ended with 2') })
      expect(await readdir(directory)).toEqual([])
      await expect.poll(connected).toEqual([])
    })

    it('fails when there is no database to speak of', async () => {
      const tools = standIn.tools('wa_backup', 'no_such_database')
      await expect(makeSet(requestFor({ ...options(), tools }))).rejects.toMatchObject({
        output: expect.stringContaining('no_such_database'),
      })
      const gone = { ...tools, prefix: ['docker', 'exec', '-i', 'no-such-container'] }
      await expect(makeSet(requestFor({ ...options(), tools: gone }))).rejects.toThrow(/psql ended with/)
    })

    it('fails when one of the host’s own files is missing, and names it', async () => {
      const bare = await mkdtemp(join(home, 'root-'))
      await mkdir(join(bare, 'etc'))
      await expect(makeSet(requestFor({ ...options(), root: bare }))).rejects.toMatchObject({
        message: 'tar ended with 2',
        output: expect.stringContaining('etc/letsencrypt'),
      })
      expect(await readdir(directory)).toEqual([])
    })

    it('fails for a recipient that is none', async () => {
      await expect(makeSet(requestFor({ ...options(), recipient: 'age1nobody' }))).rejects.toMatchObject({
        message: 'age ended with 1',
      })
    })

    it('notices a dump that was cut short, though pg_dump says all is well', async () => {
      const wrapper = join(home, 'broken')
      const script = `#!/bin/sh
case "$*" in *"pg_dump "*) docker exec -i "$@" | head -c 20000; exit 0 ;; esac
exec docker exec -i "$@"
`
      await writeFile(wrapper, script)
      await chmod(wrapper, 0o700)
      const tools = { ...standIn.tools(), prefix: [wrapper, standIn.container] }
      await expect(makeSet(requestFor({ ...options(), tools }))).rejects.toThrow(/pg_restore ended with 1/)
      expect(await readdir(directory)).toEqual([])
      await expect.poll(connected).toEqual([])
    })

    it('fails on a disk that fills up, and is refused on one that is nearly full', async () => {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=300k', 'tmpfs', directory])
      try {
        await expect(makeDump(standIn.tools(), join(directory, 'dump'))).rejects.toThrow(/ENOSPC/)
        await rm(join(directory, 'dump'))
        const refused = await makeSet(requestFor(options())).catch((error: unknown) => error)
        expect(refused).toBeInstanceOf(Refused)
        expect((refused as Refused).message).toContain(`${directory} has room for 0.3 MB`)
        expect(await readdir(directory)).toEqual([])
        await expect.poll(connected).toEqual([])
      } finally {
        execFileSync('umount', [directory])
      }
    })

    it('refuses a snapshot that is none, or of a transaction that ended', async () => {
      const other = openSession(standIn.tools())
      await beginSnapshot(other)
      const [[snapshot] = []] = await other.query('select pg_export_snapshot()')
      await other.query('commit')
      const late = openSession(standIn.tools())
      await expect(figures(late, snapshot ?? '')).rejects.toMatchObject({
        output: expect.stringContaining('snapshot'),
      })
      await expect(figures(other, `x'; drop table messages; --`)).rejects.toThrow(
        'not the name of an exported snapshot',
      )
      await other.end()
    })
  },
)
