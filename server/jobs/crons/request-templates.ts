import type { Database } from '../../db/pool.ts'
import { emit } from '../emit.ts'

/** Asks for fresh templates of every business account that has a number in use. */
export async function requestTemplates(sql: Database): Promise<void> {
  await sql.begin(async (tx) => {
    const accounts = await tx<{ id: string }[]>`
      select distinct wa_business_account_id as id from phone_numbers where disabled_at is null`
    for (const { id } of accounts) await emit(tx, 'wa/templates.sync.requested', { wabaId: id })
  })
}
