import type { Queryable } from '../db/pool.ts'
import { AdminError } from './report.ts'

export interface FoundClient {
  readonly id: string
  readonly name: string
  readonly is_owner: boolean
}

/** @throws AdminError when there is none of that name. */
export async function findClient(sql: Queryable, name: string): Promise<FoundClient> {
  const [row] = await sql<FoundClient[]>`select id, name, is_owner from clients where name = ${name}`
  if (row === undefined)
    throw new AdminError(`There is no client named ${name}. Make it first: clients create`)
  return row
}

/** @throws AdminError when nobody is the owner yet. */
export async function findOwner(sql: Queryable): Promise<FoundClient> {
  const [row] = await sql<FoundClient[]>`select id, name, is_owner from clients where is_owner`
  if (row === undefined) {
    throw new AdminError(
      'There is no owner. Name a client with --client, or make the owner: clients create --owner',
    )
  }
  return row
}

export interface FoundNumber {
  readonly id: string
  /** Meta's id. */
  readonly phone_id: string
  readonly label: string
}

/** @param phoneId Meta's id. @throws AdminError when we do not serve it. */
export async function findNumber(sql: Queryable, phoneId: string): Promise<FoundNumber> {
  const [row] = await sql<FoundNumber[]>`
    select id, wa_phone_number_id as phone_id, label from phone_numbers where wa_phone_number_id = ${phoneId}`
  if (row === undefined)
    throw new AdminError(`There is no number with id ${phoneId}. See numbers list; add it: numbers add`)
  return row
}
