import { text } from 'node:stream/consumers'
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
  const output = text(tool.stdout)
  // Why it failed is told by its end, and not by its output's.
  output.catch(() => undefined)
  await tool.done
  return await output
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
  const rows = await runTool(tools, argv, { input: sql, ...(o.seconds && { seconds: o.seconds }) })
  return rows
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split('|'))
}
