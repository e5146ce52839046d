/** Checks an audit archive where it lies. Needs Node and ssh-keygen, no package, and nothing of the host it came from. */
import { parseArgs } from 'node:util'
import { type ArchiveReport, OLDEST_MINUTES, verifyArchive } from './audit/archive.ts'

const USAGE = `Usage: node scripts/verify-audit.ts DIR [options]        on the machine that keeps the archive

Reads every row of the archive in DIR and says whether the chain is whole: each hash, nothing missing between
segments, the heads that the host signed, and how old the newest heartbeat is.

  --signers FILE   public keys of the host (ALLOWED SIGNERS of ssh-keygen); without it signatures are not checked
  --max-age MIN    oldest the newest heartbeat may be (default: ${OLDEST_MINUTES})
  --json           print the report as JSON
  --help           this text

Exit codes: 0 whole and fresh, 1 not, 2 wrong usage.`

async function command(): Promise<number> {
  let options: ReturnType<typeof parse>
  try {
    options = parse()
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${USAGE}\n`)
    return 2
  }
  if (options === 'help') {
    process.stdout.write(`${USAGE}\n`)
    return 0
  }
  const report = await verifyArchive(options.directory, options)
  process.stdout.write(options.json ? `${JSON.stringify(report, null, 2)}\n` : describe(report))
  return report.ok ? 0 : 1
}

function parse() {
  const { values, positionals } = parseArgs({
    options: {
      signers: { type: 'string' },
      'max-age': { type: 'string', default: String(OLDEST_MINUTES) },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean' },
    },
    allowPositionals: true,
  })
  if (values.help) return 'help'
  const [directory, ...surplus] = positionals
  if (directory === undefined || surplus.length > 0) throw new Error('Name one directory.')
  const maxAgeMinutes = Number(values['max-age'])
  if (!(maxAgeMinutes > 0)) throw new Error('--max-age must be a number of minutes above 0.')
  return { directory, maxAgeMinutes, signers: values.signers, json: values.json }
}

function describe(report: ArchiveReport): string {
  const { segments, rows, last, restores, newest, pauses, faults, ok } = report
  const lines = [
    `${segments} segments, ${rows} rows up to ${last}`,
    ...restores.map((row) => `a backup was restored: the chain goes on from row ${row - 1}`),
    ...pauses.map(
      ({ after, before, minutes }) => `no heartbeat for ${minutes} minutes: ${after} to ${before}`,
    ),
    ...(newest === undefined ? [] : [`newest heartbeat: ${newest}`]),
    ...faults.map((fault) => `FAULT ${fault}`),
    ok ? 'whole and fresh' : `${faults.length} faults`,
  ]
  return lines.map((line) => `${line}\n`).join('')
}

process.exitCode = await command().catch((error: unknown) => {
  process.stderr.write(`error ${error instanceof Error ? error.message : String(error)}\n`)
  return 1
})
