import { parseArgs } from 'node:util'
import type { AdminConfig } from '../config/env.ts'
import { connect, type Database } from '../db/pool.ts'
import { createClient } from './clients.ts'
import { listKeys, mintKey, revokeKey } from './keys.ts'
import { type Report, UsageError } from './report.ts'

export const ADMIN_USAGE = `  clients create --name NAME --display-name TEXT [--json]
  keys mint --client NAME --label TEXT [--expires 90d|2027-01-31] [--json]
  keys list [--client NAME] [--json]
  keys revoke ID [--json]`

const text = { type: 'string' } as const
const options = {
  name: text,
  'display-name': text,
  client: text,
  label: text,
  expires: text,
  json: { type: 'boolean' },
} as const

/**
 * Runs `clients …` or `keys …`.
 *
 * @throws UsageError for a wrong command line, AdminError when the database says no.
 */
export async function runAdmin(
  args: readonly string[],
  loadConfig: () => AdminConfig,
): Promise<Report & { json: boolean }> {
  const { values, positionals } = parse(args)
  const action = actionFor(positionals, values)
  const config = loadConfig()
  const sql = connect({ url: config.databaseUrl, role: 'wa_app', password: config.databasePassword, max: 1 })
  try {
    return { ...(await action(sql, config)), json: values.json ?? false }
  } finally {
    await sql.end({ timeout: 1 })
  }
}

type Values = ReturnType<typeof parse>['values']
type Action = (sql: Database, config: AdminConfig) => Promise<Report>

/** Everything about the command line is checked here, before the database is asked for anything. */
function actionFor([group, verb, id, ...rest]: string[], values: Values): Action {
  const command = `${group} ${verb}`
  const need = (name: 'name' | 'display-name' | 'client' | 'label') => {
    const value = values[name]
    if (value === undefined) throw new UsageError(`${command} needs --${name}. Usage:\n${ADMIN_USAGE}`)
    return value
  }
  const wantsId = command === 'keys revoke'
  if (rest.length > 0 || wantsId !== (id !== undefined)) throw new UsageError(`Usage:\n${ADMIN_USAGE}`)
  switch (command) {
    case 'clients create':
      return createClient({ name: need('name'), displayName: need('display-name') })
    case 'keys mint':
      return mintKey({ client: need('client'), label: need('label'), expires: values.expires })
    case 'keys list':
      return listKeys({ client: values.client })
    case 'keys revoke':
      return revokeKey({ id: id ?? '' })
    default:
      throw new UsageError(`There is no such command. These are:\n${ADMIN_USAGE}`)
  }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true })
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : error}\nUsage:\n${ADMIN_USAGE}`)
  }
}
