import type { Database } from '../db/pool.ts'
import { AdminError, type Report, UsageError } from './report.ts'

const NAME = /^[a-z0-9]+(-[a-z0-9]+)*$/

/** @throws UsageError for a name that is not kebab-case; AdminError (later) when the name is taken. */
export function createClient(o: { name: string; displayName: string }): (sql: Database) => Promise<Report> {
  if (!NAME.test(o.name) || o.name.length > 63) {
    throw new UsageError(
      '--name is up to 63 lower-case letters and digits, with single hyphens between: support-desk',
    )
  }
  checkText('--display-name', o.displayName)
  return async (sql) => {
    const [row] = await sql<{ id: string }[]>`
      insert into clients (name, display_name) values (${o.name}, ${o.displayName})
      on conflict (name) do nothing returning id`
    if (row === undefined) throw new AdminError(`There is already a client named ${o.name}.`)
    return { data: { id: row.id, name: o.name }, text: `${row.id} ${o.name}` }
  }
}

/** What people write about a thing: one line, not empty, not a novel. @throws UsageError */
export function checkText(option: string, value: string): void {
  if (!/^[^\p{Cc}]{1,120}$/u.test(value))
    throw new UsageError(`${option} is one line of 1 to 120 characters.`)
}
