/**
 * What whatsapp-mcp-notify@.service runs when a unit of ours has failed: posts an alert to `alert_url`, where that
 * secret is set, and says the same in the journal.
 */
import { hostname } from 'node:os'
import { dirname } from 'node:path'
import tls from 'node:tls'
import { parseArgs } from 'node:util'
import { isMain, scriptArguments } from './lib/entry.ts'
import { HOST_SECRETS, hostSecret } from './lib/host-secrets.ts'
import { composeAlert, post } from './notify/alert.ts'
import { limitOf } from './notify/limit.ts'
import { knownSecrets } from './notify/redact.ts'
import { inspectUnit } from './notify/unit.ts'

const USAGE = `Usage: node scripts/notify.ts UNIT [--json]

Says that a systemd unit has failed: to the URL in the secret alert_url, as JSON, and in the journal.
At most once an hour for each unit; those in between are counted.

  --json   print the alert on standard output
  --help   this text

Exit codes: 0 told or not due, 1 failed, 2 wrong usage.`

const UNIT_NAME = /^[A-Za-z0-9][A-Za-z0-9:_.@\\-]{0,254}$/
const STATE = '/run/whatsapp-mcp-notify'

async function notify(unit: string, json: boolean): Promise<void> {
  const limit = await limitOf(unit, process.env.RUNTIME_DIRECTORY ?? STATE)
  if (!limit.due) {
    await limit.keep()
    process.stderr.write(`${unit} was told about within the hour: not again\n`)
    return
  }
  const secrets = await knownSecrets(dirname(HOST_SECRETS))
  const alert = composeAlert(await inspectUnit(unit), {
    host: hostname(),
    at: new Date(),
    since: limit.since,
    secrets,
  })
  process.stderr.write(`${alert.text}\n`)
  if (json) process.stdout.write(`${JSON.stringify(alert)}\n`)
  // Without decrypted secrets nobody can be told; the journal still is.
  const url = secrets.length === 0 ? undefined : await hostSecret('alert_url')
  if (url === undefined) process.stderr.write('there is no alert_url, so nobody is told elsewhere\n')
  else await post(url, alert)
  await limit.keep()
}

async function main(): Promise<number> {
  let parsed: ReturnType<typeof parse>
  try {
    parsed = parse()
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${USAGE}\n`)
    return 2
  }
  const [unit = '', ...surplus] = parsed.positionals
  if (parsed.values.help) {
    process.stdout.write(`${USAGE}\n`)
    return 0
  }
  // Its own failure is told by nobody, or one that lasts would call itself for ever.
  if (!UNIT_NAME.test(unit) || surplus.length > 0 || unit.startsWith('whatsapp-mcp-notify')) {
    process.stderr.write(`name one unit, such as whatsapp-mcp.service\n\n${USAGE}\n`)
    return 2
  }
  // A monitor of one's own may have a certificate of one's own.
  tls.setDefaultCACertificates([...tls.getCACertificates('default'), ...tls.getCACertificates('system')])
  try {
    await notify(unit, parsed.values.json === true)
    return 0
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
    return 1
  }
}

function parse() {
  return parseArgs({
    args: scriptArguments(),
    options: { json: { type: 'boolean' }, help: { type: 'boolean' } },
    allowPositionals: true,
  })
}

if (isMain(import.meta.url)) process.exitCode = await main()
