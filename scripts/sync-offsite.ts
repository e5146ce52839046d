/** Sends backups to another place, encrypted to the key on paper. Started by whatsapp-mcp-offsite.service. */
import { join } from 'node:path'
import { readRecoveryRecipient } from '../secrets/recipients.ts'
import { offsiteSettings } from '../secrets/remotes.ts'
import { runJob } from './backup/job.ts'
import { BACKUPS, MEDIA_SNAPSHOTS, SETS } from './backup/layout.ts'
import { command, runCommand } from './lib/cli.ts'
import { requiredHostSecret } from './lib/host-secrets.ts'
import { placeIn } from './lib/place.ts'
import { openRemote } from './offsite/remote.ts'
import { syncOffsite } from './offsite/sync.ts'
import { transferLines } from './offsite/transfer-lines.ts'

await runCommand(
  'scripts/sync-offsite.ts',
  command({
    usage: '[--json]',
    summary: `Sends what the place in the secret offsite_remote lacks: the sets in ${SETS},
then the files of the newest media snapshot. All of it is encrypted to the recovery key, which this host does not have.
Nothing there is replaced or removed.`,
    details: `  --json   the record of this run on standard output

Exit codes: 0 ok, 1 failed, 2 wrong usage, 3 refused before anything was changed.`,
    options: { json: { type: 'boolean' } },
    run: (o) =>
      runJob({
        name: 'sync-offsite',
        json: o.json === true,
        async run(progress) {
          const key = await requiredHostSecret('backup_signing_key')
          const settings = offsiteSettings(await requiredHostSecret('offsite_remote'))
          const recipient = await readRecoveryRecipient(placeIn(undefined).sopsYaml)
          await using remote = await openRemote(settings)
          progress('looking at what is there')
          const result = await syncOffsite({
            remote,
            key,
            recipient,
            sets: SETS,
            snapshots: MEDIA_SNAPSHOTS,
            staging: join(BACKUPS, `.offsite.${process.pid}.tmp`),
            progress: transferLines(progress),
          })
          progress(
            result.newest_set === null
              ? 'there is no set to send: npx zx scripts/backup-db.ts'
              : `newest set there: ${result.newest_set}; ${result.sets} sets, ${result.media} media files`,
          )
          return { ...result }
        },
      }),
  }),
)
