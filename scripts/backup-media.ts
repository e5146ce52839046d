/** Keeps the media files of this host by hard links. Started by whatsapp-mcp-backup.service, after the database. */
import { runJob } from './backup/job.ts'
import { MEDIA, MEDIA_SNAPSHOTS } from './backup/layout.ts'
import { snapshotMedia } from './backup/media.ts'
import { command, runCommand } from './lib/cli.ts'
import { Fail } from './lib/fail.ts'
import { megabytes } from './lib/words.ts'

await runCommand(
  'scripts/backup-media.ts',
  command({
    usage: '[--json]',
    summary: `Makes a snapshot of ${MEDIA} in ${MEDIA_SNAPSHOTS}: one more hard link per file, and a list
of hashes that sha256sum --check reads. Run it after backup-db.ts, so that every file a dump names is there.`,
    details: `  --json   the record of this run on standard output

Exit codes: 0 ok, 1 failed, 2 wrong usage, 3 refused before anything was changed.`,
    options: { json: { type: 'boolean' } },
    run: (o) =>
      runJob({
        name: 'backup-media',
        json: o.json === true,
        async run(progress) {
          progress(`linking ${MEDIA}`)
          const { altered, ...made } = await snapshotMedia({
            source: MEDIA,
            directory: MEDIA_SNAPSHOTS,
            progress,
          })
          progress(`${made.name}: ${made.files} files, ${megabytes(made.bytes)}, ${made.added} new`)
          const [first] = altered
          if (first === undefined) return made
          throw new Fail(
            `${altered.length} media files have another size than when they were new; the snapshot keeps them as they were`,
            {
              next: `look at each, then put it back: cp -p ${MEDIA_SNAPSHOTS}/${made.name}/${first} ${MEDIA}/${first}`,
              output: altered.slice(0, 10).join('\n'),
            },
          )
        },
      }),
  }),
)
