import type { Secret } from '../../secrets/secret.ts'
import { command } from '../lib/cli.ts'
import { Fail } from '../lib/fail.ts'
import { stackRestarted } from './containers.ts'
import { type Host, psql } from './host.ts'
import { type Proof, type Rotation, rotate } from './steps.ts'
import { decrypted, forgotten, readValues, replaced } from './values.ts'

/** Who logs in over the network, with which secret. */
const ROLES = [
  { role: 'postgres', name: 'postgres_password', previous: 'postgres_password_previous' },
  { role: 'wa_owner', name: 'postgres_owner_password', previous: 'postgres_owner_password_previous' },
  { role: 'wa_app', name: 'postgres_app_password', previous: 'postgres_app_password_previous' },
] as const

export default command({
  usage: 'db-password [--json]',
  summary: "the database's three passwords: superuser, owner and the server's own role",
  details: `  --json                print what was done as JSON

Restarts the stack. At each start Postgres takes the superuser's password from the secrets file, so an
interrupted run, or a reboot in the middle, leaves nothing locked out.`,
  options: { json: { type: 'boolean' } },
  async run(o) {
    await rotate({ verb: 'db-password', json: o.json === true, locks: ['database'] }, plan)
  },
})

/** New passwords for all who log in to Postgres over the network. */
export async function plan(host: Host): Promise<Rotation> {
  return {
    steps: [
      replaced(host, ROLES),
      decrypted(host),
      stackRestarted(host),
      proof(host),
      forgotten(
        host,
        ROLES.map(({ previous }) => previous),
      ),
    ],
  }
}

function proof(host: Host): Proof {
  return {
    title: 'Postgres takes the new passwords over TCP and not the old',
    async prove() {
      const values = await readValues(host)
      for (const { role, name, previous } of ROLES) {
        const [fresh, old] = [values.get(name), values.get(previous)]
        if (fresh === undefined || !(await logsIn(host, role, fresh)))
          throw unproved(`the new password of ${role} is refused`)
        if (old !== undefined && (await logsIn(host, role, old)))
          throw unproved(`the old password of ${role} is still taken`)
      }
      return ROLES.map(({ role }) => role).join(', ')
    },
  }
}

function unproved(message: string): Fail {
  return new Fail(message, { next: 'systemctl restart whatsapp-mcp, then run the same command again' })
}

/**
 * Whether Postgres lets a role in. By the container's network name, since the local socket and 127.0.0.1 want no password.
 * The password travels on standard input, never in an argument or a variable.
 */
async function logsIn(host: Host, role: string, password: Secret): Promise<boolean> {
  const target = `postgresql://${role}:${percentEncoded(password)}@postgres:5432/wa_mcp?connect_timeout=5`
  const result = await psql(host, `\\set ON_ERROR_STOP on\n\\connect '${target}'\nselect current_user;\n`, {
    mayFail: true,
    seconds: 20,
  })
  if (result.exitCode === 0 && result.stdout.trim() === role) return true
  if (/password authentication failed/.test(result.stderr)) return false
  throw unproved(`Postgres could not be asked about ${role}`)
}

/** Nothing is left that psql or a connection string would read as more than itself. */
function percentEncoded(password: Secret): string {
  return [...Buffer.from(password.reveal())].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('')
}
