import type { Queryable } from '../db/pool.ts'
import { emit } from '../jobs/emit.ts'
import { findClient, findNumber, findOwner } from './find.ts'
import { AdminError, type Report } from './report.ts'
import { table } from './table.ts'

export interface NewNumber {
  readonly phoneId: string
  readonly waba: string
  readonly label: string
  readonly displayNumber: string | undefined
  readonly tokenRef: string | undefined
  readonly app: string | undefined
  readonly client: string | undefined
}

/** @throws AdminError when the number is there already, or client or app are not. */
export function addNumber(o: NewNumber) {
  return async (sql: Queryable): Promise<Report> => {
    const client = o.client ? await findClient(sql, o.client) : await findOwner(sql)
    const appName = o.app ?? 'default'
    const [app] = await sql<{ id: string }[]>`select id from meta_apps where name = ${appName}`
    if (app === undefined)
      throw new AdminError(`There is no Meta app named ${appName}. Add it first: apps add`)
    const tokenRef = o.tokenRef ?? 'secrets://wa_default_access_token'
    const added = await sql`
      insert into phone_numbers (wa_phone_number_id, wa_business_account_id, meta_app_id, client_id, label, display_number,
        access_token_secret_ref)
      values (${o.phoneId}, ${o.waba}, ${app.id}, ${client.id}, ${o.label}, ${o.displayNumber ?? null}, ${tokenRef})
      on conflict do nothing`
    if (added.count === 0)
      throw new AdminError(`There is already a number with id ${o.phoneId}. See numbers list.`)
    // So that an agent can name templates from the first closed window on.
    await emit(sql, 'wa/templates.sync.requested', { wabaId: o.waba })
    return {
      data: {
        phone_id: o.phoneId,
        waba: o.waba,
        label: o.label,
        app: appName,
        client: client.name,
        token_ref: tokenRef,
      },
      text: `${o.phoneId} (${o.label}) is served; inbound messages are booked to ${client.name}`,
      audit: {
        clientId: client.id,
        phoneNumberId: o.phoneId,
        detail: { waba_id: o.waba, app: appName, token_ref: tokenRef },
      },
    }
  }
}

interface NumberRow {
  readonly phone_id: string
  readonly waba: string
  readonly label: string
  readonly display_number: string | null
  readonly state: 'live' | 'disabled' | 'paused' | 'throttled'
  readonly paused_reason: string | null
  readonly app: string
  readonly client: string
  readonly token_ref: string
  readonly monthly_cap: number | null
  readonly quality: string | null
}

/** Every number with its state, client, app and the name of its token's secret. */
export async function listNumbers(sql: Queryable): Promise<Report> {
  const rows = await sql<NumberRow[]>`
    select n.wa_phone_number_id as phone_id, n.wa_business_account_id as waba, n.label, n.display_number,
      case when n.disabled_at is not null then 'disabled' when n.paused_at is not null then 'paused'
        when n.throttled_until > now() then 'throttled' else 'live' end as state,
      n.paused_reason, a.name as app, c.name as client, n.access_token_secret_ref as token_ref,
      n.monthly_billable_cap as monthly_cap, n.quality_rating as quality
    from phone_numbers n join meta_apps a on a.id = n.meta_app_id join clients c on c.id = n.client_id
    order by n.created_at, n.id`
  const cells = rows.map((row) => [
    ...[row.phone_id, row.label, row.display_number ?? '-'],
    ...[row.paused_reason ? `${row.state}: ${row.paused_reason}` : row.state, row.client, row.app, row.waba],
    ...[row.token_ref, row.monthly_cap === null ? '-' : String(row.monthly_cap)],
  ])
  const head = ['PHONE ID', 'LABEL', 'NUMBER', 'STATE', 'CLIENT', 'APP', 'WABA', 'TOKEN', 'MONTHLY CAP']
  return { data: [...rows], text: table(head, cells) }
}

/** The new reference counts at once. A number that Meta paused stays paused until it is resumed. */
export function rotateNumberToken(phoneId: string, tokenRef: string) {
  return async (sql: Queryable): Promise<Report> => {
    const { id } = await findNumber(sql, phoneId)
    const [row] = await sql<{ paused: boolean }[]>`
      update phone_numbers set access_token_secret_ref = ${tokenRef} where id = ${id} returning paused_at is not null as paused`
    const next = row?.paused ? `\nIt is still paused: numbers resume --phone-id ${phoneId}` : ''
    return {
      data: { phone_id: phoneId, token_ref: tokenRef },
      text: `${phoneId} uses ${tokenRef}${next}`,
      audit: { phoneNumberId: phoneId, detail: { token_ref: tokenRef } },
    }
  }
}

/** Takes a number out of service, or back into it. */
export function switchNumber(phoneId: string, enabled: boolean) {
  return async (sql: Queryable): Promise<Report> => {
    const { id } = await findNumber(sql, phoneId)
    await sql`
      update phone_numbers set disabled_at = case when ${enabled} then null else coalesce(disabled_at, now()) end where id = ${id}`
    return plain(phoneId, enabled ? 'enabled' : 'disabled')
  }
}

/** Ends a pause that a refused token began; messages that wait go out. */
export function resumeNumber(phoneId: string) {
  return async (sql: Queryable): Promise<Report> => {
    const { id } = await findNumber(sql, phoneId)
    await sql`update phone_numbers set paused_at = null, paused_reason = null where id = ${id}`
    return plain(phoneId, 'resumed')
  }
}

/** @param monthly billable messages; null: no cap */
export function capNumber(phoneId: string, monthly: number | null) {
  return async (sql: Queryable): Promise<Report> => {
    const { id } = await findNumber(sql, phoneId)
    await sql`update phone_numbers set monthly_billable_cap = ${monthly} where id = ${id}`
    return {
      data: { phone_id: phoneId, monthly_cap: monthly },
      text: `${phoneId} ${monthly === null ? 'has no monthly cap' : `sends at most ${monthly} billable messages a month`}`,
      audit: { phoneNumberId: phoneId, detail: { monthly_cap: monthly } },
    }
  }
}

function plain(phoneId: string, state: string): Report {
  return {
    data: { phone_id: phoneId, state },
    text: `${phoneId} ${state}`,
    audit: { phoneNumberId: phoneId },
  }
}
