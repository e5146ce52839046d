import type { Queryable } from '../db/pool.ts'
import { integer, list, metaId, oneOf, slug, toolName } from './checks.ts'
import { type Command, command } from './command.ts'
import { findClient, findNumber } from './find.ts'
import { flag, may, must } from './option.ts'
import { AdminError, type Report } from './report.ts'
import { day, table } from './table.ts'

interface NewGrant {
  readonly client: string
  readonly phone: string
  readonly verbs: readonly string[]
  readonly tools: readonly string[] | undefined
  readonly dailyCap: number | undefined
  readonly policy: string
  readonly approveInClient: boolean
}

/** Names hold neither comma nor brace, so this is all there is to an array literal. */
const arrayOf = (items: readonly string[]) => `{${items.join(',')}}`

function addGrant(o: NewGrant) {
  return async (sql: Queryable): Promise<Report> => {
    const client = await findClient(sql, o.client)
    const number = await findNumber(sql, o.phone)
    const [row] = await sql<{ id: string }[]>`
      insert into client_phone_grants
        (client_id, phone_number_id, verbs, allowed_tools, daily_cap, send_policy, approve_in_client)
      values (${client.id}, ${number.id}, ${arrayOf(o.verbs)}::text::text[],
        ${o.tools ? arrayOf(o.tools) : null}::text::text[], ${o.dailyCap ?? null}, ${o.policy}, ${o.approveInClient})
      on conflict do nothing returning id`
    if (row === undefined) {
      throw new AdminError(
        `${o.client} already has a grant on ${o.phone}. Revoke it first: grants revoke --client ${o.client} --phone ${o.phone}`,
      )
    }
    const terms = { verbs: o.verbs, tools: o.tools ?? null, daily_cap: o.dailyCap ?? null, policy: o.policy }
    return {
      data: { id: row.id, client: o.client, phone: o.phone, ...terms, approve_in_client: o.approveInClient },
      text: `${o.client} may ${o.verbs.join(', ')} on ${o.phone} (${number.label})`,
      audit: { clientId: client.id, phoneNumberId: o.phone, detail: { grant_id: row.id, ...terms } },
    }
  }
}

/** Takes effect in every running server at once. */
function revokeGrant(o: { client: string; phone: string }) {
  return async (sql: Queryable): Promise<Report> => {
    const client = await findClient(sql, o.client)
    const number = await findNumber(sql, o.phone)
    const [row] = await sql<{ id: string }[]>`
      update client_phone_grants set revoked_at = now()
      where client_id = ${client.id} and phone_number_id = ${number.id} and revoked_at is null returning id`
    if (row === undefined) throw new AdminError(`${o.client} has no grant on ${o.phone}. See grants list.`)
    return {
      data: { id: row.id, client: o.client, phone: o.phone },
      text: `${o.client} has no grant on ${o.phone} any more`,
      audit: { clientId: client.id, phoneNumberId: o.phone, detail: { grant_id: row.id } },
    }
  }
}

interface GrantRow {
  readonly client: string
  readonly phone: string
  readonly number: string
  readonly verbs: readonly string[]
  readonly tools: readonly string[] | null
  readonly daily_cap: number | null
  readonly policy: string
  readonly approve_in_client: boolean
  readonly created_at: Date
}

function listGrants(o: { client: string | undefined }) {
  return async (sql: Queryable): Promise<Report> => {
    const rows = await sql<GrantRow[]>`
      select c.name as client, n.wa_phone_number_id as phone, n.label as number, array_to_json(g.verbs) as verbs,
        array_to_json(g.allowed_tools) as tools, g.daily_cap, g.send_policy as policy, g.approve_in_client, g.created_at
      from client_phone_grants g join clients c on c.id = g.client_id join phone_numbers n on n.id = g.phone_number_id
      where g.revoked_at is null and (${o.client ?? null}::text is null or c.name = ${o.client ?? null})
      order by c.name, n.label`
    const cells = rows.map((grant) => [
      ...[grant.client, grant.phone, grant.number, grant.verbs.join(' '), grant.tools?.join(' ') ?? 'all'],
      ...[grant.daily_cap === null ? '-' : String(grant.daily_cap), grant.policy, day(grant.created_at)],
    ])
    const head = ['CLIENT', 'PHONE', 'NUMBER', 'VERBS', 'TOOLS', 'DAILY CAP', 'POLICY', 'SINCE']
    return { data: [...rows], text: table(head, cells) }
  }
}

const which = {
  client: must('NAME', 'who', slug),
  phone: must('ID', "Meta's id of the number", metaId),
}

export const grantCommands: readonly Command[] = [
  command({
    name: 'grants add',
    summary: 'lets a client use a number',
    audited: 'with',
    options: {
      ...which,
      verbs: may('LIST', 'of read, send, template; default read', list(oneOf('read', 'send', 'template'))),
      tools: may('LIST', 'only these tools; default: every tool the verbs cover', list(toolName)),
      'daily-cap': may(
        'COUNT',
        'messages per day (UTC); default: no cap but that of the key',
        integer(0, 1_000_000),
      ),
      policy: may(
        'POLICY',
        'any (default), window_only, templates_only, known_contacts or approval',
        oneOf('any', 'window_only', 'templates_only', 'known_contacts', 'approval'),
      ),
      'approve-in-client': flag('under approval: the person at the client may confirm as well'),
    },
    run: (o) => (context) =>
      addGrant({
        client: o.client,
        phone: o.phone,
        verbs: o.verbs ?? ['read'],
        tools: o.tools,
        dailyCap: o['daily-cap'],
        policy: o.policy ?? 'any',
        approveInClient: o['approve-in-client'],
      })(context.sql),
  }),
  command({
    name: 'grants list',
    summary: 'shows who may do what with which number',
    audited: 'not',
    options: { client: may('NAME', 'only those of one client', slug) },
    run: (o) => (context) => listGrants(o)(context.sql),
  }),
  command({
    name: 'grants revoke',
    summary: 'takes a number away from a client, at once',
    audited: 'with',
    options: which,
    run: (o) => (context) => revokeGrant(o)(context.sql),
  }),
]
