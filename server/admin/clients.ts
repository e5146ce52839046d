import type { Queryable } from '../db/pool.ts'
import { slug, title } from './checks.ts'
import { type Command, command } from './command.ts'
import { findClient } from './find.ts'
import { flag, must } from './option.ts'
import { AdminError, type Report } from './report.ts'
import { day, table } from './table.ts'

/** @throws AdminError (later) when the name is taken or there is an owner already. */
export function createClient(o: { name: string; displayName: string; owner?: boolean }) {
  return async (sql: Queryable): Promise<Report> => {
    const [row] = await sql<{ id: string }[]>`
      insert into clients (name, display_name, is_owner) values (${o.name}, ${o.displayName}, ${o.owner ?? false})
      on conflict do nothing returning id`
    if (row === undefined) throw await reasonOf(sql, o.name)
    return {
      data: { id: row.id, name: o.name, owner: o.owner ?? false },
      text: `${row.id} ${o.name}`,
      audit: { clientId: row.id, detail: { owner: o.owner ?? false } },
    }
  }
}

async function reasonOf(sql: Queryable, name: string): Promise<AdminError> {
  const taken = await sql`select 1 from clients where name = ${name}`
  if (taken.length > 0) return new AdminError(`There is already a client named ${name}.`)
  const [owner] = await sql<{ name: string }[]>`select name from clients where is_owner`
  return new AdminError(
    `There is already an owner, ${owner?.name}, and there can be one only. Leave out --owner.`,
  )
}

async function listClients(sql: Queryable): Promise<Report> {
  const rows = await sql<
    { name: string; id: string; display_name: string; state: string; keys: number; created_at: Date }[]
  >`
    select c.name, c.id, c.display_name, c.created_at,
      case when c.disabled_at is not null then 'disabled' when c.is_owner then 'owner' else 'live' end as state,
      (select count(*)::int from api_keys k
        where k.client_id = c.id and k.revoked_at is null and (k.expires_at is null or k.expires_at > now())) as keys
    from clients c order by c.name`
  return {
    data: [...rows],
    text: table(
      ['NAME', 'DISPLAY NAME', 'STATE', 'KEYS', 'CREATED', 'ID'],
      rows.map((row) => [
        row.name,
        row.display_name,
        row.state,
        String(row.keys),
        day(row.created_at),
        row.id,
      ]),
    ),
  }
}

/** Ends or restores every key of the client, in every running server at once. */
function switchClient(name: string, enabled: boolean) {
  return async (sql: Queryable): Promise<Report> => {
    const { id } = await findClient(sql, name)
    await sql`
      update clients set disabled_at = case when ${enabled} then null else coalesce(disabled_at, now()) end where id = ${id}`
    const state = enabled ? 'enabled' : 'disabled'
    return { data: { id, name, state }, text: `${name} ${state}`, audit: { clientId: id } }
  }
}

const NAME = { placeholder: 'NAME', read: slug }

export const clientCommands: readonly Command[] = [
  command({
    name: 'clients create',
    summary: 'makes a client; keys and grants are given to it afterwards',
    audited: 'with',
    options: {
      name: must('NAME', 'kebab-case, never changed', slug),
      'display-name': must('TEXT', 'for people', title),
      owner: flag('it may use every number and every tool; there is one owner'),
    },
    run: (o) => (context) =>
      createClient({ name: o.name, displayName: o['display-name'], owner: o.owner })(context.sql),
  }),
  command({
    name: 'clients list',
    summary: 'shows the clients and how many live keys each has',
    audited: 'not',
    options: {},
    run: () => (context) => listClients(context.sql),
  }),
  command({
    name: 'clients disable',
    summary: 'refuses every key of a client, at once',
    audited: 'with',
    argument: NAME,
    options: {},
    run: (_, name) => (context) => switchClient(name, false)(context.sql),
  }),
  command({
    name: 'clients enable',
    summary: 'accepts them again',
    audited: 'with',
    argument: NAME,
    options: {},
    run: (_, name) => (context) => switchClient(name, true)(context.sql),
  }),
]
