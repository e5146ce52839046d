import { join } from 'node:path'
import { runJob } from '../backup/job.ts'
import { type BackupSet, DUMP, listSets, MEDIA_SNAPSHOTS, openSet, SETS } from '../backup/layout.ts'
import { proveMedia } from '../backup/media.ts'
import { composePostgres } from '../backup/postgres.ts'
import { command, printJson, tell, UsageError } from '../lib/cli.ts'
import { Fail } from '../lib/fail.ts'
import { requiredHostSecret } from '../lib/host-secrets.ts'
import { duration, megabytes } from '../lib/words.ts'
import { checkFiles, readToEnd } from '../restore/check.ts'
import { proveRestore } from '../restore/prove.ts'
import { askOffsite } from './offsite.ts'

export default command({
  usage: 'verify [SET] [--restore | --offsite] [--json]',
  summary: 'checks a set (default: the newest); exit code 1 when it is not good',
  details: `Checks the signature of its manifest, the SHA-256 of every file, and that pg_restore can read the dump to its end.

  --restore   restore it as well, into a database of its own in the running server, compare that with the manifest
              and drop it, then read the newest media snapshot; the job prove-restore
  --offsite   check what the far side holds, by signatures and lengths: this host cannot open it
  --json      print what was found`,
  options: { restore: { type: 'boolean' }, offsite: { type: 'boolean' }, json: { type: 'boolean' } },
  positionals: ['SET?'],
  async run(o, name?: string) {
    if (o.restore && o.offsite) throw new UsageError('--restore and --offsite exclude each other.')
    if (o.offsite) return verifyOffsite(name, o.json === true)
    if (!o.restore) return verifyFiles(await find(name), o.json === true)
    return runJob({
      name: 'prove-restore',
      lock: 'database',
      json: o.json === true,
      run: async (progress) => ({
        ...(await proveRestore({ tools: composePostgres('postgres'), set: await find(name), progress })),
        media: await proveMedia(MEDIA_SNAPSHOTS, progress),
      }),
    })
  },
})

async function find(name: string | undefined): Promise<BackupSet> {
  const key = await requiredHostSecret('backup_signing_key')
  const chosen = name ?? (await listSets(SETS))[0]
  if (chosen === undefined)
    throw new Fail(`there is no set in ${SETS}`, { next: 'make one: npx zx scripts/backup-db.ts' })
  return openSet(SETS, chosen, key)
}

async function verifyFiles(set: BackupSet, json: boolean): Promise<number> {
  const started = performance.now()
  await checkFiles(set)
  await readToEnd(composePostgres('postgres'), join(set.directory, DUMP))
  const seconds = Math.round(performance.now() - started) / 1000
  if (json) printJson({ ok: true, set: set.name, seconds, files: set.manifest.files })
  else tell(`${set.name} is good: signature, SHA-256 of every file, and a full read, ${duration(seconds)}`)
  return 0
}

async function verifyOffsite(name: string | undefined, json: boolean): Promise<number> {
  const { complete, broken, media } = await askOffsite()
  const wanted = <T extends { name: string }>(sets: readonly T[]) =>
    sets.filter((set) => name === undefined || set.name === name)
  const [good, bad] = [wanted(complete), wanted(broken)]
  if (json) printJson({ complete: good.map((set) => set.name), broken: bad, media })
  else {
    tell(
      `${good.length} sets are complete, ${bad.length} are not; ${media.files} files, ${megabytes(media.bytes)}`,
    )
    for (const set of bad) tell(`  ${set.name}: ${set.problem}`)
  }
  // An upload that broke off cannot be removed there, and the next run made up for it.
  return good.length > 0 ? 0 : 1
}
