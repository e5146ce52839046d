import type { Queryable } from '../db/pool.ts'
import { ToolError } from '../mcp/tool-error.ts'
import { decide } from '../outbound/approval.ts'
import { uuid } from './checks.ts'
import { type AdminContext, type Command, command } from './command.ts'
import { AdminError, type Report } from './report.ts'
import { moment, table } from './table.ts'

interface Waiting {
  readonly id: string
  readonly client: string
  readonly client_id: string
  readonly phone: string
  readonly type: string
  readonly body: string | null
  readonly created_at: Date
}

/** The operator decides about what it says, so here, and only here, the text is shown. */
async function listWaiting(sql: Queryable): Promise<Report> {
  const rows = await sql<Waiting[]>`
    select m.id, c.name as client, c.id as client_id, n.wa_phone_number_id as phone, m.message_type as type, m.body, m.created_at
    from messages m join clients c on c.id = m.client_id join phone_numbers n on n.id = m.phone_number_id
    where m.status = 'pending_approval' order by m.created_at, m.id`
  return {
    data: [...rows],
    text: table(
      ['ID', 'SINCE (UTC)', 'CLIENT', 'PHONE', 'TYPE', 'TEXT'],
      rows.map((row) => [
        ...[row.id, moment(row.created_at), row.client, row.phone, row.type],
        (row.body ?? '-').replaceAll(/\s+/g, ' ').slice(0, 80),
      ]),
    ),
  }
}

function decideOn(id: string, decision: 'release' | 'reject') {
  return async ({ pool }: AdminContext): Promise<Report> => {
    const [message] = await pool<{ client_id: string; phone: string }[]>`
      select m.client_id, n.wa_phone_number_id as phone
      from messages m join phone_numbers n on n.id = m.phone_number_id where m.id = ${id}`
    try {
      await decide(pool, id, decision)
    } catch (error) {
      if (error instanceof ToolError) throw new AdminError(`${error.message} See approvals list.`)
      throw error
    }
    const done = decision === 'release' ? 'released' : 'rejected'
    return {
      data: { id, decision: done },
      text: `${id} ${done}`,
      audit: {
        ...(message && { clientId: message.client_id, phoneNumberId: message.phone }),
        detail: { message_id: id },
      },
    }
  }
}

const ID = { placeholder: 'ID', read: uuid }

export const approvalCommands: readonly Command[] = [
  command({
    name: 'approvals list',
    summary: 'shows the messages that wait for a person, oldest first, with their text',
    audited: 'not',
    options: {},
    run: () => (context) => listWaiting(context.sql),
  }),
  command({
    name: 'approvals release',
    summary: 'sends a message that waits',
    audited: 'after',
    argument: ID,
    options: {},
    run: (_, id) => decideOn(id, 'release'),
  }),
  command({
    name: 'approvals reject',
    summary: 'never sends it',
    audited: 'after',
    argument: ID,
    options: {},
    run: (_, id) => decideOn(id, 'reject'),
  }),
]
