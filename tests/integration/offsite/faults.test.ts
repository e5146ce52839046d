import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { readdir, rename, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { setTimeout as pause, setImmediate as turn } from 'node:timers/promises'
import { describe, expect, onTestFinished, test } from 'vitest'
import { bring } from '../../../scripts/offsite/bring.ts'
import { byName } from '../../../scripts/offsite/names.ts'
import { openRemote } from '../../../scripts/offsite/remote.ts'
import { openIdentity } from '../../../scripts/offsite/seal.ts'
import { remoteSets } from '../../../scripts/offsite/sets.ts'
import { syncOffsite } from '../../../scripts/offsite/sync.ts'
import { offsiteSettings } from '../../../secrets/remotes.ts'
import { Secret } from '../../../secrets/secret.ts'
import { programsMissing, scratch } from './far-side.ts'
import { type LocalHost, localHost, SIGNING_KEY } from './local-host.ts'

const missing = programsMissing()
if (missing) console.warn(`skipped: ${missing}`)

const PROGRAM = join(import.meta.dirname, 'sync-program.ts')
/** A value that is nowhere by chance. */
const CANARY = 'canary-5d1f8e0c9b7a4e3d'

/** Starts the job in a process group of its own, slowed down so that there is a middle. */
function start(host: LocalHost, settings: Record<string, string>) {
  const child = spawn(process.execPath, [PROGRAM], { detached: true, stdio: ['pipe', 'ignore', 'pipe'] })
  const { sets, snapshots, staging, recipient } = host.options
  child.stdin.end(
    JSON.stringify({ settings, key: SIGNING_KEY.reveal(), sets, snapshots, staging, recipient }),
  )
  const ended = new Promise<string>((resolve) => {
    let said = ''
    child.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString()
    })
    child.on('close', () => resolve(said))
  })
  return { kill: () => process.kill(-(child.pid ?? 0), 'SIGKILL'), ended, pid: child.pid ?? 0 }
}

describe.skipIf(missing)('a run that is killed', () => {
  test('anywhere: the next one completes, and everything opens', { timeout: 120_000 }, async () => {
    const host = await localHost()
    const set = await host.addSet(1, 8_000_000)
    await host.addMedia(
      Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`49151/2026/11/${i}.jpg`, 90_000])),
    )
    const settings = { type: 'local', path: host.far.directory }
    for (const after of [50, 150, 250, 350, 450, 600, 800]) {
      const run = start(host, settings)
      await pause(after)
      // It may have been done already.
      try {
        run.kill()
      } catch (error) {
        expect((error as NodeJS.ErrnoException).code).toBe('ESRCH')
      }
      await run.ended
      const { complete } = await remoteSets(host.far.remote, SIGNING_KEY)
      for (const there of complete) expect(there.name).toBe(set)
    }
    const result = await syncOffsite(host.options)
    expect(result).toMatchObject({ newest_set: set, sets: 1, media: 60 })
    expect((await readdir(host.directory)).sort()).toEqual(['media', 'sets'])

    const held = byName(await host.far.remote.list('media'))
    expect(held.size).toBe(60)
    using identity = openIdentity(host.recovery.identity, host.far.remote.privateDirectory)
    const latest = [...held.values()].flatMap((attempts) => attempts[0] ?? [])
    const brought = await bring(host.far.remote, 'media', latest, {
      identity,
      staging: await scratch(),
      accept: async (_, path) => expect((await stat(path)).size).toBe(90_000),
    })
    expect(brought.failed).toEqual([])
  })

  test('keeps its keys out of arguments, environments and disks', { timeout: 60_000 }, async () => {
    const host = await localHost()
    await host.addSet(1, 30_000_000)
    const settings = { type: 'local', path: host.far.directory, secret_of_ours: CANARY }
    const run = start(host, settings)
    const seen = new Set<string>()
    const found: string[] = []
    let over = false
    void run.ended.then(() => {
      over = true
    })
    while (!over) {
      for (const { pid, text } of processesBelow(run.pid)) {
        seen.add(text.split('\0')[0] ?? '')
        for (const secret of [CANARY, SIGNING_KEY.reveal()]) if (text.includes(secret)) found.push(`${pid}`)
      }
      await turn()
    }
    expect(await run.ended).toBe('')
    expect(found).toEqual([])
    // The scan saw what it is about.
    expect([...seen].some((program) => program.endsWith('rclone'))).toBe(true)
    expect(seen.has('age')).toBe(true)
    for (const place of ['/run', '/dev/shm'])
      for (const name of await readdir(place)) expect(name).not.toContain(`private.${run.pid}.`)
  })
})

/**
 * Arguments and environment of a process and all it started; only these are looked at, and without waiting for one's
 * turn among the reads of others, as some live for a moment.
 */
function processesBelow(pid: number): { pid: number; text: string }[] {
  const read = (file: string): string => {
    try {
      return readFileSync(`/proc/${pid}/${file}`, 'utf8')
    } catch {
      return ''
    }
  }
  const below = read(`task/${pid}/children`).split(' ').filter(Boolean).map(Number)
  return [{ pid, text: `${read('cmdline')}\0${read('environ')}` }, ...below.flatMap(processesBelow)]
}

describe.skipIf(missing)('a far side that fails', () => {
  test('nobody listens: said soon, and without a secret', { timeout: 60_000 }, async () => {
    const settings = {
      ...{ type: 's3', provider: 'Other', endpoint: 'http://127.0.0.1:9', path: 'bucket/wa' },
      ...{ access_key_id: `${CANARY}-id`, secret_access_key: `${CANARY}-secret` },
    }
    const remote = await openRemote(offsiteSettings(new Secret(JSON.stringify(settings))))
    onTestFinished(() => remote[Symbol.asyncDispose]())
    const error = await remote.list('sets').catch((reason: unknown) => reason)
    expect(String(error)).toMatch(/rclone lsjson: .*connection refused/)
    expect(String(error)).not.toContain(CANARY)
    expect((await stat(join(remote.privateDirectory, 'rclone.conf'))).mode & 0o777).toBe(0o600)
    await remote[Symbol.asyncDispose]()
    await expect(stat(remote.privateDirectory)).rejects.toThrow(/ENOENT/)
  })

  test('what did not arrive is found by the look afterwards', async () => {
    const host = await localHost()
    await host.addMedia({ '49151/2026/11/a.jpg': 70_000 })
    const set = await host.addSet(1)
    const { remote } = host.far
    // As a full disk behind a careless server: it takes the bytes and keeps some.
    const careless: typeof remote = {
      ...remote,
      async put(...args) {
        await remote.put(...args)
        await writeFile(join(host.far.directory, 'media', '49151_2026_11_a.jpg.age'), 'short')
      },
    }
    await expect(syncOffsite({ ...host.options, remote: careless })).rejects.toThrow(
      '1 media files did not arrive whole; the next run sends them again.',
    )
    await writeFile(join(host.far.directory, 'sets', `${set}.host.tar.age`), 'short')
    const asleep: typeof remote = { ...remote, putStream: async () => undefined }
    await expect(syncOffsite({ ...host.options, remote: asleep })).rejects.toThrow(
      `${set} did not arrive whole; the next run sends it again.`,
    )
  })

  test('a source that fails in the middle ends the upload, too short', async () => {
    const host = await localHost()
    const source = Readable.from(
      (async function* () {
        yield Buffer.alloc(200_000)
        throw new Error('the disk fails')
      })(),
    )
    const done = Promise.reject(new Error('the disk fails'))
    done.catch(() => undefined)
    const put = host.far.remote.putStream('sets', { name: 'x.age', bytes: 400_000 }, { stream: source, done })
    await expect(put).rejects.toThrow('the disk fails')
    const left = await host.far.remote.list('sets')
    for (const file of left) expect(file.bytes).toBeLessThan(400_000)
  })

  test('a set that retention removes meanwhile is no failure', async () => {
    const host = await localHost()
    const older = await host.addSet(30)
    const newer = await host.addSet(6)
    const { remote } = host.far
    const racing: typeof remote = {
      ...remote,
      async putStream(...args) {
        await rename(join(host.options.sets, older), join(host.options.sets, `.${older}.1.tmp`)).catch(
          () => undefined,
        )
        return remote.putStream(...args)
      },
    }
    const result = await syncOffsite({ ...host.options, remote: racing })
    expect(result).toMatchObject({ newest_set: newer, sets: 1 })
  })
})
