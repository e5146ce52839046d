/** Puts a backup set of this host in the place of the live database. */
import { runJob } from './backup/job.ts'
import { isSetName, SETS } from './backup/layout.ts'
import { composePostgres } from './backup/postgres.ts'
import { command, runCommand, tell, UsageError } from './lib/cli.ts'
import { Refused } from './lib/fail.ts'
import { requiredHostSecret } from './lib/host-secrets.ts'
import { takeLock } from './lib/lock.ts'
import { askYesNo, isInteractive } from './lib/prompt.ts'
import { describePlan, type Plan } from './restore/plan.ts'
import { restoreLive, undoRestore } from './restore/run.ts'

async function confirm(plan: Plan, yes: boolean): Promise<void> {
  for (const line of describePlan(plan)) tell(`  ${line}`)
  if (yes) return
  const otherwise = 'Say yes beforehand with --yes.'
  if (!isInteractive()) throw new Refused('nobody is there to ask', { next: otherwise })
  if (await askYesNo(`Replace the live database by ${plan.set}?`, otherwise)) return
  throw new Refused('stopped at the prompt', { next: 'npx zx scripts/backups.ts list' })
}

function tellAfterwards(kept: string, held: number, unknown: number): void {
  tell(`  kept     ${kept}; take it back: npx zx scripts/restore-db.ts --undo`)
  tell(
    `           or, when all is well: docker compose -p whatsapp-mcp exec postgres dropdb -U postgres ${kept}`,
  )
  if (held > 0)
    tell(
      `  held     ${held} messages wait for you: wa outbox show --state held, then wa outbox release --all`,
    )
  if (unknown > 0)
    tell(`  unknown  ${unknown} messages may or may not have been sent; Meta's reports will tell`)
  tell(
    '  next     npx zx scripts/smoke.ts; and where the audit log is shipped: npx zx scripts/sync-audit.ts --restored',
  )
}

await runCommand(
  'scripts/restore-db.ts',
  command({
    usage: '[SET] [--yes] [--undo] [--json]',
    summary: `Restores SET (default: the newest that is good) into a database beside the live one, compares it with the
set's manifest, and exchanges the two. The live database is kept. Messages that waited to be sent are held until
you release them: they may have been sent since.`,
    details: `  --yes    do not ask
  --undo   take the database back that the latest restore has kept
  --json   the record of this run on standard output

Killed at any moment, run it again. Exit codes: 0 ok, 1 failed, 2 wrong usage, 3 refused before anything was changed.`,
    options: { yes: { type: 'boolean' }, undo: { type: 'boolean' }, json: { type: 'boolean' } },
    positionals: ['SET?'],
    async run(options, name?: string) {
      if (name !== undefined && !isSetName(name))
        throw new UsageError(
          'SET is the name of a set such as 20261121T074605Z; see npx zx scripts/backups.ts list.',
        )
      if (name !== undefined && options.undo) throw new UsageError('--undo takes no SET.')
      const tools = composePostgres('postgres')
      return runJob({
        name: 'restore-db',
        lock: 'database',
        json: options.json === true,
        async run(progress) {
          const stack = await takeLock()
          try {
            if (options.undo) {
              const undone = await undoRestore({ tools, progress })
              tellAfterwards(undone.kept, undone.held, undone.unknown)
              return { ...undone }
            }
            const key = await requiredHostSecret('backup_signing_key')
            const restored = await restoreLive({
              ...{ tools, key, name, progress, directory: SETS },
              confirm: (plan) => confirm(plan, options.yes === true),
            })
            tellAfterwards(restored.kept, restored.held, restored.unknown)
            return { ...restored }
          } finally {
            await stack.release()
          }
        },
      })
    },
  }),
)
