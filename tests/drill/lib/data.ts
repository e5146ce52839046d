import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { REPOSITORY } from './bootstrap.ts'
import type { Host } from './host.ts'
import { timed } from './progress.ts'

const PROBES = join(import.meta.dirname, '..', 'probes')
const PSQL = ['docker', 'compose', '-f', `${REPOSITORY}/docker-compose.prod.yml`].concat(
  ['--env-file', '/etc/whatsapp-mcp/stack.env', 'exec', '-T', 'postgres'],
  ['psql', '-X', '-q', '-A', '-t', '-U', 'postgres', '-d', 'wa_mcp', '-v', 'ON_ERROR_STOP=1'],
)

/** How much a host holds before it is lost: $DRILL_MESSAGES rows, $DRILL_MEDIA_MB megabytes of files. */
export const DATA = {
  messages: Number(process.env.DRILL_MESSAGES ?? 100_000),
  megabytes: Number(process.env.DRILL_MEDIA_MB ?? 200),
} as const

/** Runs SQL as the superuser of the stack's database. @returns its rows, fields split by `|` */
export async function sql(
  host: Host,
  text: string,
  values: Readonly<Record<string, string>> = {},
): Promise<string[][]> {
  const set = Object.entries(values).flatMap(([name, value]) => ['-v', `${name}=${value}`])
  const { stdout } = await host.exec([...PSQL, ...set], { input: text, limit: 900 })
  return stdout.split('\n').flatMap((line) => (line === '' ? [] : [line.split('|')]))
}

/** Fills a host with messages and media of a number it serves. */
export async function seed(host: Host, number: string): Promise<void> {
  await timed(`seed ${DATA.messages} messages, ${DATA.megabytes} MB of media`, async () => {
    const argv = [`${REPOSITORY}/node_modules/.bin/node`, `${REPOSITORY}/tests/drill/probes/seed-media.ts`]
    const place = ['/var/lib/whatsapp-mcp/media', number, String(DATA.megabytes)]
    const files = await host.exec([...argv, ...place], { limit: 600 })
    const table =
      'create temp table files (id uuid, place text, bytes bigint, sha256 text);\ncopy files from stdin;\n'
    const script = await readFile(join(PROBES, 'seed.sql'), 'utf8')
    await sql(host, `${table}${files.stdout}\\.\n${script}`, { number, messages: String(DATA.messages) })
  })
}

/** Answers that wait, or are on their way, at the moment of the backup. */
export async function addPending(host: Host, number: string): Promise<void> {
  await sql(host, await readFile(join(PROBES, 'pending.sql'), 'utf8'), { number })
}

/** Sums over all rows, of the columns that nothing changes by itself. */
const TABLES = {
  messages: `id, phone_number_id, contact_id, client_id, direction, body, payload, raw, wa_message_id, created_at`,
  contacts: 'id, phone_number_id, bsuid, wa_id, profile_name, created_at',
  media_objects: 'id, phone_number_id, client_id, status, size_bytes, sha256, storage_path, created_at',
  clients: 'id, name, created_at',
  phone_numbers: 'id, wa_phone_number_id, client_id, created_at',
} as const

/** What must be the same on a host that comes back: rows, files, certificates; one fact a line. */
export async function takeContents(host: Host): Promise<readonly string[]> {
  const queries = Object.entries(TABLES).map(
    ([name, columns]) =>
      `select '${name}', count(*), sum(('x' || left(md5(row(${columns})::text), 15))::bit(60)::bigint) from ${name};`,
  )
  const rows = await sql(host, queries.join('\n'))
  const script = `cd "$1" && find . -path ./.tmp -prune -o -printf '%y %m %U:%G %l %P\\n' | sort && find . -path ./.tmp -prune -o -type f -print0 | sort -z | xargs -0r sha256sum`
  const trees = await Promise.all(
    ['/var/lib/whatsapp-mcp/media', '/etc/letsencrypt/live', '/etc/letsencrypt/archive'].map(async (path) => {
      const { stdout } = await host.sh(script, [path], { limit: 300 })
      return stdout.split('\n').flatMap((line) => (line === '' ? [] : [`${path} ${line}`]))
    }),
  )
  return [...rows.map((row) => row.join(' ')), ...trees.flat()]
}
