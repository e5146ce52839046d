import { problemsOf } from '../../secrets/check.ts'
import { readRecipients } from '../../secrets/recipients.ts'
import { command, printJson, tell } from '../lib/cli.ts'
import { openPlace, PLACE_HELP, PLACE_OPTIONS } from '../lib/place.ts'

export default command({
  usage: 'verify [--json]',
  summary: 'opens the file, checks its MAC, that it is complete, and who can open it',
  details: `  --json                print {ok, problems, secrets, recipients}\n${PLACE_HELP}`,
  options: { ...PLACE_OPTIONS, json: { type: 'boolean' } },
  async run(o) {
    const problems: string[] = []
    const report = { secrets: [] as string[], recipients: [] as { role: string; recipient: string }[] }
    try {
      const { place, opened } = await openPlace(o)
      report.secrets = [...opened.values.keys()]
      problems.push(...problemsOf(opened.values))
      report.recipients = await readRecipients(place.sopsYaml)
      const inFile = opened.document.age.map(({ recipient }) => recipient)
      for (const { role, recipient } of report.recipients) {
        if (!inFile.includes(recipient))
          problems.push(`the file is not encrypted to ${role} of .sops.yaml; ${APPLY}`)
      }
      for (const recipient of inFile) {
        if (report.recipients.some((known) => known.recipient === recipient)) continue
        problems.push(`the file opens for ${recipient}, which .sops.yaml does not name; ${APPLY}`)
      }
    } catch (error) {
      problems.push(error instanceof Error ? error.message : 'the file cannot be read')
    }
    if (o.json) printJson({ ok: problems.length === 0, problems, ...report })
    else if (problems.length === 0) {
      tell(
        `${report.secrets.length} secrets, MAC right, opens for ${report.recipients.map(({ role }) => role).join(', ')}.`,
      )
    } else for (const problem of problems) tell(problem)
    return problems.length === 0 ? 0 : 1
  },
})

const APPLY = 'npx zx scripts/secrets.ts recipients apply'
