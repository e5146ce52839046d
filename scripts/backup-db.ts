/** Makes a backup set of this host: database, certificates, answers and host key. Started by whatsapp-mcp-backup.service. */
import { readRecoveryRecipient } from '../secrets/recipients.ts'
import { hostFacts } from './backup/facts.ts'
import { runJob } from './backup/job.ts'
import { SETS } from './backup/layout.ts'
import { rowsOf } from './backup/manifest.ts'
import { composePostgres } from './backup/postgres.ts'
import { makeSet } from './backup/set.ts'
import { command, runCommand } from './lib/cli.ts'
import { requiredHostSecret } from './lib/host-secrets.ts'
import { placeIn } from './lib/place.ts'
import { megabytes } from './lib/words.ts'

await runCommand(
  'scripts/backup-db.ts',
  command({
    usage: '[--allow-shrink] [--json]',
    summary: `Makes a set in ${SETS}: a dump in one snapshot with the counts and hashes of every table, and the host's
own files encrypted to the recovery key. It is read back before it gets its name. Then sets that had their time go: kept
are the newest 3, the last of each of 30 days and the first of each of 12 months.`,
    details: `  --allow-shrink   keep a dump that is less than half of the one before
  --json           the record of this run on standard output

Exit codes: 0 ok, 1 failed, 2 wrong usage, 3 refused before anything was changed.`,
    options: { json: { type: 'boolean' }, 'allow-shrink': { type: 'boolean' } },
    run: (o) =>
      runJob({
        name: 'backup-db',
        lock: 'database',
        json: o.json === true,
        async run(progress) {
          const { manifest, removed } = await makeSet({
            tools: composePostgres('wa_backup'),
            directory: SETS,
            key: await requiredHostSecret('backup_signing_key'),
            recipient: await readRecoveryRecipient(placeIn(undefined).sopsYaml),
            allowShrink: o['allow-shrink'] === true,
            facts: hostFacts,
            progress,
          })
          const { name, files, seconds } = manifest
          const rows = rowsOf(manifest)
          const bytes = files.reduce((sum, file) => sum + file.bytes, 0)
          progress(`${name}: ${rows} rows, ${megabytes(bytes)}`)
          return { set: name, rows, bytes, seconds, removed }
        },
      }),
  }),
)
