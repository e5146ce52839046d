import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { type JobRecord, readRecord } from '../backup/job.ts'
import { ageOf, type BackupSet, DUMP, SETS } from '../backup/layout.ts'
import { type Manifest, rowsOf } from '../backup/manifest.ts'
import { command, printJson, tell } from '../lib/cli.ts'
import { requiredHostSecret } from '../lib/host-secrets.ts'
import { duration, megabytes } from '../lib/words.ts'
import { survey } from '../restore/survey.ts'
import { askOffsite } from './offsite.ts'

interface Row {
  readonly name: string
  readonly age_seconds: number
  readonly bytes: number | null
  readonly rows: number | null
  readonly commit: string | null
  /** All its files are there, with the lengths that the manifest says. */
  readonly complete: boolean
  /** When it was last restored as a proof. */
  readonly proved: string | null
  readonly problem: string | null
}

export default command({
  usage: 'list [--offsite] [--json]',
  summary: 'shows the sets, newest first, by what their signed manifests say',
  details: `  --offsite   those of the far side
  --json      print an array of {name, age_seconds, bytes, rows, commit, complete, proved, problem}

STATE is good, proved (restored as a proof, and equal), or what is wrong. Files are not read: see verify.`,
  options: { offsite: { type: 'boolean' }, json: { type: 'boolean' } },
  async run(o) {
    const rows = o.offsite ? await offsiteRows() : await localRows()
    if (o.json) return void printJson(rows)
    if (rows.length === 0) return void tell('There is no set. Make one: npx zx scripts/backup-db.ts')
    process.stdout.write('NAME              AGE     DUMP        ROWS        STATE\n')
    for (const row of rows) {
      const cells = [row.name, duration(row.age_seconds), row.bytes === null ? '-' : megabytes(row.bytes)]
      const [name = '', age = '', size = ''] = cells
      const counted = row.rows === null ? '-' : String(row.rows)
      const state = row.problem ?? (row.proved === null ? 'good' : 'proved')
      process.stdout.write(`${name}  ${age.padEnd(6)}  ${size.padEnd(10)}  ${counted.padEnd(10)}  ${state}\n`)
    }
  },
})

async function localRows(): Promise<Row[]> {
  const key = await requiredHostSecret('backup_signing_key')
  const proof = await readRecord('prove-restore')
  return Promise.all(
    (await survey(SETS, key)).map(async ({ name, set, problem }) =>
      set === undefined ? broken(name, problem) : describe(set.manifest, await missingIn(set), proof),
    ),
  )
}

async function offsiteRows(): Promise<Row[]> {
  const { complete, broken: others } = await askOffsite()
  const rows = [
    ...complete.map(({ manifest }) => describe(manifest, undefined, undefined)),
    ...others.map(({ name, problem }) => broken(name, problem)),
  ]
  return rows.sort((a, b) => (a.name < b.name ? 1 : -1))
}

function describe(manifest: Manifest, problem: string | undefined, proof: JobRecord | undefined): Row {
  const { name, commit } = manifest
  const isProved = proof?.ok === true && proof.result?.set === name
  return {
    ...{ name, commit, age_seconds: ageOf(name) },
    bytes: manifest.files.find((file) => file.name === DUMP)?.bytes ?? null,
    rows: rowsOf(manifest),
    complete: problem === undefined,
    proved: isProved ? proof.started : null,
    problem: problem ?? null,
  }
}

function broken(name: string, problem: string): Row {
  const unknown = { bytes: null, rows: null, commit: null, proved: null }
  return { name, age_seconds: ageOf(name), ...unknown, complete: false, problem }
}

/** The first file that is not there or has another length. */
async function missingIn({ directory, manifest }: BackupSet): Promise<string | undefined> {
  for (const { name, bytes } of manifest.files) {
    const found = await stat(join(directory, name)).catch((error: NodeJS.ErrnoException) => error.code)
    if (typeof found !== 'object') return `${name} cannot be read (${found}).`
    if (found.size !== bytes) return `${name} has ${found.size} bytes instead of ${bytes}.`
  }
  return undefined
}
