import { type PostgresTools, startTool } from '../backup/postgres.ts'

/**
 * Runs one of the database's own programs and gives what it prints.
 * @throws Fail with its last lines
 */
export async function runTool(
  tools: PostgresTools,
  argv: readonly string[],
  o: { input?: string; seconds?: number } = {},
): Promise<string> {
  const tool = startTool(tools, argv, { seconds: o.seconds ?? 60 })
  tool.stdin.end(o.input ?? '')
  const chunks: Buffer[] = []
  tool.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
  await tool.done
  return Buffer.concat(chunks).toString('utf8')
}

/**
 * Runs statements in one transaction and gives the rows they return, as text.
 * @param o.database default: that of `tools`
 * @param o.values for `:"name"` (an identifier) and `:'name'` (a text), quoted by psql
 * @throws Fail with what psql says; then nothing was changed
 */
export async function psql(
  tools: PostgresTools,
  sql: string,
  o: { database?: string; values?: Readonly<Record<string, string>>; seconds?: number } = {},
): Promise<string[][]> {
  const values = Object.entries(o.values ?? {}).flatMap(([name, value]) => ['--set', `${name}=${value}`])
  const argv = [
    ...['psql', '--no-psqlrc', '--quiet', '--tuples-only', '--no-align', '--single-transaction'],
    ...['--set', 'ON_ERROR_STOP=1', ...values],
    ...['--username', tools.user, '--dbname', o.database ?? tools.database],
  ]
  const text = await runTool(tools, argv, { input: sql, ...(o.seconds && { seconds: o.seconds }) })
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split('|'))
}
