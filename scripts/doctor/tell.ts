import { hostname } from 'node:os'
import { dirname } from 'node:path'
import { tell } from '../lib/cli.ts'
import { HOST_SECRETS, hostSecret } from '../lib/host-secrets.ts'
import { type Alert, post } from '../notify/alert.ts'
import { knownSecrets, redact } from '../notify/redact.ts'
import type { Answer } from './check.ts'

/** Characters of a line. */
const LONGEST = 500

/** @param secrets texts that must not be seen, longest first */
export function composeReport(
  answers: readonly Answer[],
  o: { host: string; at: Date; secrets: readonly string[] },
): Alert {
  const wrong = answers.filter(({ verdict }) => verdict !== 'yes')
  const right = answers.length - wrong.length
  const parts = [
    ...(wrong.length > 0 ? [`no longer right: ${wrong.map(({ id }) => id).join(', ')}`] : []),
    ...(right > 0 ? [`${right} right again`] : []),
  ]
  return {
    text: `${o.host}: ${parts.join('; ')}`,
    unit: 'whatsapp-mcp-doctor.service',
    description: 'what the doctor found changed',
    result: 'changed',
    status: 0,
    restarts: 0,
    lines: answers.map((answer) => redact(lineOf(answer), o.secrets).slice(0, LONGEST)),
    host: o.host,
    at: o.at.toISOString(),
    since: 0,
    next: wrong[0]?.next ?? 'npx zx scripts/doctor.ts',
  }
}

function lineOf({ verdict, statement, evidence, next }: Answer): string {
  return `${verdict}: ${statement}: ${evidence}${next === undefined ? '' : `; next: ${next}`}`
}

/**
 * Posts what has changed to the URL in the secret `alert_url`; where there is none, or nothing has, nothing.
 * @throws Error when it could not be posted
 */
export async function tellElsewhere(answers: readonly Answer[]): Promise<void> {
  if (answers.length === 0) return
  const secrets = await knownSecrets(dirname(HOST_SECRETS))
  // Before they are decrypted nobody can be told but the journal.
  const url = secrets.length === 0 ? undefined : await hostSecret('alert_url')
  if (url === undefined) tell('there is no alert_url, so nobody is told elsewhere')
  else await post(url, composeReport(answers, { host: hostname(), at: new Date(), secrets }))
}
