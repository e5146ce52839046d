import { lockNumber } from '../db/number-lock.ts'
import type { Database } from '../db/pool.ts'
import { ToolError } from '../mcp/tool-error.ts'
import { handOver } from './hand-over.ts'

/** The operator's word on a message that waits for it. @throws ToolError `not_pending` */
export async function decide(
  sql: Database,
  messageId: string,
  decision: 'release' | 'reject',
): Promise<void> {
  await sql.begin(async (tx) => {
    const [row] = await tx<{ numberId: string }[]>`
      select phone_number_id as "numberId" from messages where id = ${messageId}`
    if (row) await lockNumber(tx, row.numberId)
    const status = decision === 'release' ? 'queued' : 'rejected'
    const decided = await tx`
      update messages set status = ${status}, updated_at = now()
      where id = ${messageId} and status = 'pending_approval'`
    if (decided.count === 0) {
      throw new ToolError('No such message waits for approval.', {
        code: 'not_pending',
        category: 'conflict',
        hint: 'It may have been released or rejected already.',
      })
    }
    if (decision === 'release') await handOver(tx, messageId)
  })
}
