/** Puts a backup set of this host in the place of the live database. */
import { type Progress, runJob } from './backup/job.ts'
import { isSetName, SETS } from './backup/layout.ts'
import { composePostgres } from './backup/postgres.ts'
import { command, runCommand, tell, UsageError } from './lib/cli.ts'
import { Refused } from './lib/fail.ts'
import { requiredHostSecret } from './lib/host-secrets.ts'
import { takeLock } from './lib/lock.ts'
import { askYesNo, isInteractive } from './lib/prompt.ts'
import { composeStack } from './restore/compose.ts'
import { describePlan } from './restore/plan.ts'
import { dropKept, restoreLive, undoRestore } from './restore/run.ts'

interface Options {
  readonly yes?: boolean | undefined
  readonly undo?: boolean | undefined
  readonly 'drop-kept'?: boolean | undefined
}

async function confirm(question: string, yes = false): Promise<void> {
  if (yes) return
  const otherwise = 'Say yes beforehand with --yes.'
  if (!isInteractive()) throw new Refused('nobody is there to ask', { next: otherwise })
  if (!(await askYesNo(question, otherwise)))
    throw new Refused('stopped at the prompt', { next: 'npx zx scripts/backups.ts list' })
}

async function act(options: Options, name: string | undefined, progress: Progress) {
  const place = { tools: composePostgres('postgres'), stack: composeStack, progress }
  if (options['drop-kept']) {
    await confirm('Drop every database that restores have kept?', options.yes)
    return { dropped: await dropKept(place) }
  }
  if (options.undo) {
    await confirm('Take the database back that the latest restore has kept?', options.yes)
    return tellAfterwards(await undoRestore(place))
  }
  const restored = await restoreLive({
    ...place,
    ...{ name, directory: SETS, key: await requiredHostSecret('backup_signing_key') },
    async confirm(plan) {
      for (const line of describePlan(plan)) tell(`  ${line}`)
      await confirm(`Replace the live database by ${plan.set}?`, options.yes)
    },
  })
  return tellAfterwards(restored)
}

function tellAfterwards<T extends { kept: string | null; held: number; unknown: number }>(o: T): T {
  if (o.kept !== null) {
    tell(`  kept     ${o.kept}; take it back: npx zx scripts/restore-db.ts --undo`)
    tell('           when all is well: npx zx scripts/restore-db.ts --drop-kept')
  }
  if (o.held > 0)
    tell(
      `  held     ${o.held} messages wait for you: wa outbox show --state held, then wa outbox release --all`,
    )
  if (o.unknown > 0)
    tell(`  unknown  ${o.unknown} messages may or may not have been sent; Meta's reports will tell`)
  tell('  next     npx zx scripts/smoke.ts')
  return o
}

await runCommand(
  'scripts/restore-db.ts',
  command({
    usage: '[SET | --undo | --drop-kept] [--yes] [--json]',
    summary: `Restores SET (default: the newest that is good) into a database beside the live one, compares it with the
set's manifest, and exchanges the two. The live database is kept. Messages that waited to be sent are held until
you release them: they may have been sent since.`,
    details: `  --undo       take the database back that the latest restore has kept
  --drop-kept  drop the databases that restores have kept
  --yes        do not ask
  --json       the record of this run on standard output

Killed at any moment, run it again. Exit codes: 0 ok, 1 failed, 2 wrong usage, 3 refused before anything was changed.`,
    options: {
      yes: { type: 'boolean' },
      undo: { type: 'boolean' },
      'drop-kept': { type: 'boolean' },
      json: { type: 'boolean' },
    },
    positionals: ['SET?'],
    async run(options, name?: string) {
      if (name !== undefined && !isSetName(name))
        throw new UsageError(
          'SET is the name of a set such as 20261121T074605Z; see npx zx scripts/backups.ts list.',
        )
      if ([name !== undefined, options.undo, options['drop-kept']].filter(Boolean).length > 1)
        throw new UsageError('SET, --undo and --drop-kept exclude each other.')
      return runJob({
        name: 'restore-db',
        lock: 'database',
        json: options.json === true,
        async run(progress) {
          const lock = await takeLock()
          const done = await act(options, name, progress).finally(() => lock.release())
          return { ...done }
        },
      })
    },
  }),
)
