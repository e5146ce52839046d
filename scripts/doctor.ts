import tls from 'node:tls'
import * as z from 'zod'
import { readIfThere, writeAtomically } from '../secrets/atomic.ts'
import { type Answer, type Check, examine } from './doctor/check.ts'
import { containers } from './doctor/containers.ts'
import { data } from './doctor/data.ts'
import { network } from './doctor/network.ts'
import { operations } from './doctor/operations.ts'
import { changed, formatAnswers } from './doctor/report.ts'
import { secrets } from './doctor/secrets.ts'
import { server } from './doctor/server.ts'
import { tellElsewhere } from './doctor/tell.ts'
import { command, printJson, runCommand, tell, UsageError } from './lib/cli.ts'
import { Refused } from './lib/fail.ts'

const CHECKS: readonly Check[] = [...secrets, ...network, ...containers, ...data, ...operations, ...server]
const STATE = '/var/lib/whatsapp-mcp/jobs/doctor.json'

const stateSchema = z.object({
  at: z.iso.datetime(),
  verdicts: z.record(z.string(), z.enum(['yes', 'no', 'not sure'])),
})

async function remembered(): Promise<z.infer<typeof stateSchema>['verdicts']> {
  const text = await readIfThere(STATE)
  return text === undefined ? {} : stateSchema.parse(JSON.parse(text)).verdicts
}

async function remember(answers: readonly Answer[], before: Readonly<Record<string, string>>): Promise<void> {
  const verdicts = { ...before, ...Object.fromEntries(answers.map(({ id, verdict }) => [id, verdict])) }
  await writeAtomically(STATE, `${JSON.stringify({ at: new Date().toISOString(), verdicts })}\n`, 0o600)
}

await runCommand(
  'scripts/doctor.ts',
  command({
    usage: '[--only ID[,ID]] [--since-last] [--tell] [--json]',
    summary: 'Looks at everything a host in service ought to have, and changes nothing.',
    details: `  --only ID[,ID]  these checks, or groups of them: ${[...new Set(CHECKS.map(({ id }) => id.split('.')[0]))].join(', ')}
  --since-last    show only what has changed since the doctor last looked with this option
  --tell          post what is shown to the URL in the secret alert_url; being told, something wrong is no failure
  --json          print the answers as JSON on standard output

Exit codes: 0 nothing is wrong (or, with --since-last, nothing became so), 1 something is, 2 wrong usage, 3 refused.`,
    options: {
      only: { type: 'string' },
      'since-last': { type: 'boolean' },
      tell: { type: 'boolean' },
      json: { type: 'boolean' },
    },
    async run(o) {
      const wanted = o.only?.split(',')
      const chosen = CHECKS.filter(
        ({ id }) => wanted?.some((name) => id === name || id.startsWith(`${name}.`)) ?? true,
      )
      if (chosen.length === 0) throw new UsageError(`There is no check ${o.only}.`)
      if (process.getuid?.() !== 0)
        throw new Refused('only root can see all of it', { next: 'sudo npx zx scripts/doctor.ts' })
      tls.setDefaultCACertificates([...tls.getCACertificates('default'), ...tls.getCACertificates('system')])
      tell(`looking at ${chosen.length} things`)
      const all = await examine(chosen)
      const before = o['since-last'] ? await remembered() : {}
      const answers = o['since-last'] ? changed(all, before) : all
      if (o.tell) await tellElsewhere(answers)
      // Afterwards: what could not be told is told the next time.
      if (o['since-last']) await remember(all, before)
      if (o.json) printJson({ answers })
      else process.stdout.write(`${answers.length === 0 ? 'nothing has changed' : formatAnswers(answers)}\n`)
      return !o.tell && answers.some(({ verdict }) => verdict === 'no') ? 1 : 0
    },
  }),
)
