import { ageOf, DUMP, SETS } from '../backup/layout.ts'
import { rowsOf } from '../backup/manifest.ts'
import { composePostgres } from '../backup/postgres.ts'
import { command, printJson, tell } from '../lib/cli.ts'
import { Fail } from '../lib/fail.ts'
import { requiredHostSecret } from '../lib/host-secrets.ts'
import { duration, megabytes } from '../lib/words.ts'
import { describePlan, planRestore } from '../restore/plan.ts'
import { askOffsite } from './offsite.ts'

export default command({
  usage: 'plan-restore [SET] [--offsite] [--json]',
  summary: 'says what a restore would do, and what stands against it; changes nothing',
  details: `  --offsite   what ./scripts/restore-host.sh would bring to another host
  --json      print the plan

Exit code 1 when the restore could not be done.`,
  options: { offsite: { type: 'boolean' }, json: { type: 'boolean' } },
  positionals: ['SET?'],
  async run(o, name?: string) {
    if (o.offsite) return planOffsite(name, o.json === true)
    const key = await requiredHostSecret('backup_signing_key')
    const { plan } = await planRestore({ tools: composePostgres('postgres'), directory: SETS, key, name })
    if (o.json) printJson(plan)
    else for (const line of describePlan(plan)) tell(line)
    return plan.missing.length > 0 ? 1 : 0
  },
})

async function planOffsite(name: string | undefined, json: boolean): Promise<number> {
  const { complete, broken, media } = await askOffsite()
  const set = complete.find((one) => name === undefined || one.name === name)
  if (set === undefined)
    throw new Fail(`the far side holds no complete set${name ? ` ${name}` : ''}`, {
      next: 'npx zx scripts/backups.ts list --offsite; npx zx scripts/sync-offsite.ts',
    })
  const bytes = set.manifest.files.find((file) => file.name === DUMP)?.bytes ?? 0
  const skipped = broken.filter((one) => one.name > set.name)
  const plan = {
    set: set.name,
    age_seconds: ageOf(set.name),
    bytes,
    rows: rowsOf(set.manifest),
    media,
    skipped,
  }
  if (json) {
    printJson(plan)
    return 0
  }
  for (const one of skipped) tell(`SKIPPED  ${one.name}: ${one.problem}`)
  tell(`set      ${plan.set}, ${duration(plan.age_seconds)} old: what was written since then is lost`)
  tell(
    `size     dump ${megabytes(bytes)}, ${plan.rows} rows; media ${media.files} files, ${megabytes(media.bytes)}`,
  )
  tell('do       on the new host, with the recovery key: ./scripts/restore-host.sh')
  return 0
}
