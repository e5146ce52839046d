import { execFile, execFileSync, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { PostgresTools } from '../../../scripts/backup/postgres.ts'
import { Secret } from '../../../secrets/secret.ts'
import { migrate } from '../../../server/db/migrate.ts'
import { connect, type Database } from '../../../server/db/pool.ts'
import { addClient, addNumber } from '../server/fixtures.ts'

const run = promisify(execFile)
const REPOSITORY = 'whatsapp-mcp-drill/standin-postgres'

/** The drill's stand-in for the stack's database image, the newest there is. */
function findImage(): string | undefined {
  try {
    const format = '{{.Repository}}:{{.Tag}}'
    const list = execFileSync('docker', ['images', '--format', format, REPOSITORY], {
      encoding: 'utf8',
      stdio: 'pipe',
    })
    return list.split('\n')[0] || undefined
  } catch {
    return undefined
  }
}

const IMAGE = findImage()

/** What these tests lack on this machine, for the title of those that are skipped; empty when they can run. */
export const MISSING = [
  ...(IMAGE === undefined
    ? [`needs Docker and the image ${REPOSITORY}: npm run drill -- --only bootstrap`]
    : []),
  ...(spawnSync('age', ['--version']).status === 0 ? [] : ['needs age: apt-get install age']),
].join('; ')

export interface StandIn {
  readonly container: string
  readonly sql: Database
  /** As the stack's own are reached, by `docker exec`. */
  tools(user?: 'wa_backup' | 'postgres', database?: string): PostgresTools
  /** Connects to another database of the same server, as the superuser. */
  open(database: string): Database
  /** What `docker compose run migrate` does. */
  migrate(database: string): Promise<string[]>
  exec(...argv: readonly string[]): Promise<string>
  /** What it said when it restarted, `[]` if it did not: it takes the violent end of a process it does not know for a crash. */
  crashes(): Promise<string[]>
  remove(): Promise<void>
}

/**
 * A migrated database in a container of its own, run as the compose file runs it.
 * @param o.room of the data volume, such as `64m`; default: what the disk has
 */
export async function startStandIn(o: { room?: string } = {}): Promise<StandIn> {
  const password = new Secret(randomBytes(24).toString('hex'))
  const secrets = await mkdtemp(join(tmpdir(), 'backup-stand-in-'))
  const container = `whatsapp-mcp-test-${randomBytes(6).toString('hex')}`
  await writeFile(join(secrets, 'password'), password.reveal(), { mode: 0o644 })
  const docker = async (...argv: readonly string[]) => (await run('docker', argv)).stdout.trim()
  await docker(
    ...[
      'run',
      '--detach',
      '--name',
      container,
      '--label',
      'org.whatsapp-mcp.test',
      '--user',
      '70:70',
      '--read-only',
    ],
    ...[
      '--cap-drop',
      'ALL',
      '--tmpfs',
      '/run/postgresql:uid=70,gid=70,mode=0775',
      '--tmpfs',
      '/tmp:size=64m',
    ],
    ...(o.room ? ['--tmpfs', `/var/lib/postgresql:uid=70,gid=70,mode=0700,size=${o.room}`] : []),
    ...['--memory', '512m', '--shm-size', '256m', '--publish', '127.0.0.1::5432'],
    ...[
      '--env',
      'POSTGRES_DB=wa_mcp',
      '--env',
      'POSTGRES_PASSWORD_FILE=/secret',
      '--volume',
      `${secrets}/password:/secret:ro`,
    ],
    ...['--env', 'POSTGRES_INITDB_ARGS=--locale-provider=builtin --builtin-locale=C.UTF-8', IMAGE ?? ''],
    ...['postgres', '-c', 'fsync=off'],
  )
  const exec = (...argv: readonly string[]) => docker('exec', container, ...argv)
  const ready = () => exec('pg_isready', '-q', '-h', '127.0.0.1', '-U', 'postgres', '-d', 'wa_mcp')
  for (
    let tries = 0;
    !(await ready().then(
      () => true,
      () => false,
    ));
    tries += 1
  ) {
    if (tries === 200) throw new Error(`no database in ${container}: ${await docker('logs', container)}`)
    await new Promise((wake) => setTimeout(wake, 100))
  }
  const port = /:(\d+)$/m.exec(await docker('port', container, '5432/tcp'))?.[1]
  const url = new URL(`postgres://127.0.0.1:${port}/wa_mcp`)
  const own = () => new Secret(randomBytes(24).toString('hex'))
  const at = (database: string) => new URL(`/${database}`, url)
  const passwords = { superuserPassword: password, ownerPassword: own(), appPassword: own() }
  const migrateTo = (database: string) => migrate({ databaseUrl: at(database), ...passwords })
  await migrateTo('wa_mcp')
  const sql = connect({ url, role: 'postgres', password, max: 2 })
  return {
    container,
    sql,
    tools: (user = 'wa_backup', database = 'wa_mcp') => ({
      prefix: ['docker', 'exec', '-i', container],
      user,
      database,
    }),
    open: (database) => connect({ url: at(database), role: 'postgres', password, max: 1 }),
    migrate: migrateTo,
    exec,
    async crashes() {
      const lines = (await run('docker', ['logs', container])).stderr.split('\n')
      return lines.filter((line) => /terminated by signal|reinitializing/.test(line))
    },
    async remove() {
      await sql.end({ timeout: 1 })
      await docker('rm', '--force', '--volumes', container)
      await rm(secrets, { recursive: true })
    },
  }
}

/** Messages with text of every kind, in no order that a dump would keep by chance. */
export async function addMessages(sql: Database, count: number): Promise<void> {
  const [known] = await sql<
    { id: string; name: string }[]
  >`select id, name from clients where name = 'backup'`
  const client = known ?? (await addClient(sql, 'backup'))
  const number = await addNumber(sql, client)
  await sql.begin(async (tx) => {
    await tx`set local statement_timeout = 0`
    await tx`set local session_replication_role = replica`
    const [contact] = await tx<{ id: string }[]>`
      insert into contacts (phone_number_id, wa_id, bsuid, profile_name, last_message_at)
      values (${number.id}, '15550000001', 'US.1', 'Zoë "the" O\\Neil', now()) returning id`
    await tx`
      insert into messages (phone_number_id, contact_id, client_id, direction, message_type, body, payload, wa_message_id,
        status, wa_timestamp, created_at)
      select ${number.id}, ${contact?.id ?? ''}, ${client.id}, 'inbound', 'text', 'ö, "q" ' || chr(10) || md5(n::text),
        jsonb_build_object('n', n, 'x', n / 7.0), 'wamid.' || gen_random_uuid(), 'received', now(), now() - n * interval '1 s'
      from generate_series(1, ${count}::int) n`
  })
}
