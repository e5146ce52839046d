/** Says that a systemd unit has failed. Started by `OnFailure=` as whatsapp-mcp-notify@UNIT.service. */
import { hostname } from 'node:os'
import { dirname } from 'node:path'
import tls from 'node:tls'
import { command, runCommand, tell, UsageError } from './lib/cli.ts'
import { HOST_SECRETS, hostSecret } from './lib/host-secrets.ts'
import { composeAlert, post } from './notify/alert.ts'
import { limitOf } from './notify/limit.ts'
import { knownSecrets } from './notify/redact.ts'
import { inspectUnit } from './notify/unit.ts'

const UNIT_NAME = /^[A-Za-z0-9][A-Za-z0-9:_.@\\-]{0,254}$/
const STATE = '/run/whatsapp-mcp-notify'

async function notify(unit: string, json: boolean): Promise<void> {
  const limit = await limitOf(unit, process.env.RUNTIME_DIRECTORY ?? STATE)
  if (!limit.due) {
    await limit.keep()
    tell(`${unit} was told about within the hour: not again`)
    return
  }
  const secrets = await knownSecrets(dirname(HOST_SECRETS))
  const failed = await inspectUnit(unit)
  const alert = composeAlert(failed, { host: hostname(), at: new Date(), since: limit.since, secrets })
  tell(alert.text)
  if (json) process.stdout.write(`${JSON.stringify(alert)}\n`)
  // Before they are decrypted nobody can be told but the journal.
  const url = secrets.length === 0 ? undefined : await hostSecret('alert_url')
  if (url === undefined) tell('there is no alert_url, so nobody is told elsewhere')
  else await post(url, alert)
  await limit.keep()
}

await runCommand(
  'scripts/notify.ts',
  command({
    usage: 'UNIT [--json]',
    summary: `Says that a systemd unit has failed: to the URL in the secret alert_url, as JSON, and in the journal. At most once
an hour for each unit; those in between are counted.`,
    details: `  --json   print the alert on standard output

Exit codes: 0 told or not due, 1 failed, 2 wrong usage.`,
    positionals: ['UNIT'],
    options: { json: { type: 'boolean' } },
    async run(o, unit = '') {
      if (!UNIT_NAME.test(unit)) throw new UsageError('UNIT is a name such as whatsapp-mcp.service.')
      // Its own failure is told by nobody, or one that lasts would call itself for ever.
      if (unit.startsWith('whatsapp-mcp-notify')) throw new UsageError('UNIT cannot be the notifier itself.')
      // A monitor of one's own may have a certificate of one's own.
      const authorities = [...tls.getCACertificates('default'), ...tls.getCACertificates('system')]
      tls.setDefaultCACertificates(authorities)
      await notify(unit, o.json === true)
    },
  }),
)
