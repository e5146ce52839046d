import { randomBytes, randomUUID } from 'node:crypto'
import { encodeCursor } from '../../../server/tools/cursor.ts'
import { callTool } from './call-tool.ts'
import { type Desk, type Setup, startDesk } from './desk.ts'
import { addInbound, type TestNumber } from './fixtures.ts'
import { type Args, CANARY, type Ids } from './tenancy-probes.ts'

/** Two clients of one server. Only A has anything. */
export interface Tenants {
  readonly desk: Desk
  readonly a: Setup
  readonly b: Setup
  /** What A has. */
  readonly theirs: Ids
}

export async function startTenants(): Promise<Tenants> {
  const desk = await startDesk()
  const a = await desk.setUp({
    number: { label: `${CANARY} label` },
    contact: { name: `${CANARY} person`, bsuid: 'XX.canary1' },
  })
  const b = await desk.setUp()
  return { desk, a, b, theirs: await fill(desk, a, a.number) }
}

/** Gives a client's conversation one of everything. */
export async function fill(desk: Desk, { client, contact, waId }: Setup, number: TestNumber): Promise<Ids> {
  const { sql } = desk.harness.db
  const inbound = await addInbound(sql, number, client, contact, {
    body: `${CANARY} hello`,
    wamid: `wamid.${CANARY}${randomBytes(4).toString('hex')}`,
  })
  const [media] = await sql<{ id: string }[]>`
    insert into media_objects (phone_number_id, client_id, direction, kind, wamid, wa_media_id, status, filename, mime_type,
      storage_path, size_bytes)
    values (${number.id}, ${client.id}, 'inbound', 'image', ${inbound.wamid}, '777', 'stored', ${`${CANARY}.png`}, 'image/png',
      'canary/none.png', 9) returning id`
  await sql`update messages set media_object_id = ${media?.id ?? ''} where id = ${inbound.id}`
  const [sent] = await sql<{ id: string; wamid: string }[]>`
    insert into messages (phone_number_id, contact_id, client_id, direction, message_type, body, status, wa_message_id, idempotency_key)
    values (${number.id}, ${contact}, ${client.id}, 'outbound', 'text', ${`${CANARY} answer`}, 'delivered',
      ${`wamid.${CANARY}${randomUUID()}`}, ${`key-${contact}`})
    returning id, wa_message_id as wamid`
  await sql`insert into message_statuses (phone_number_id, message_id, wa_message_id, status, callback)
    values (${number.id}, ${sent?.id ?? ''}, ${sent?.wamid ?? ''}, 'delivered', ${CANARY})`
  await sql`insert into templates (wa_business_account_id, name, language, category, status, components)
    values (${number.wabaId}, 'canary_offer', 'en', 'UTILITY', 'APPROVED', '[{"type": "BODY", "text": "canary"}]')
    on conflict do nothing`
  return {
    number: number.waId,
    conversation: contact,
    message: inbound.id,
    wamid: inbound.wamid,
    sent: sent?.id ?? '',
    sentWamid: sent?.wamid ?? '',
    media: media?.id ?? '',
    phone: `+${waId}`,
    bsuid: 'XX.canary1',
    cursor: encodeCursor({ at: '2999-01-01T00:00:00.000000Z', id: contact }),
    idempotencyKey: `key-${contact}`,
  }
}

/** Ids of the same shapes that nobody has. */
export function nobodys(): Ids {
  const id = randomUUID()
  return {
    number: '299999999999999',
    conversation: id,
    message: randomUUID(),
    wamid: `wamid.${randomBytes(9).toString('hex')}`,
    sent: randomUUID(),
    sentWamid: `wamid.${randomBytes(9).toString('hex')}`,
    media: randomUUID(),
    phone: '+15559999999',
    bsuid: 'XX.nobody1',
    cursor: encodeCursor({ at: '2999-01-01T00:00:00.000000Z', id }),
    idempotencyKey: `key-${id}`,
  }
}

/** An answer without what differs from call to call, and without what the caller said itself. */
export async function ask(desk: Desk, token: string, tool: string, args: Args): Promise<string> {
  const { isError, structuredContent } = await callTool(desk.harness, token, tool, args)
  const answer = JSON.stringify({ isError, structuredContent }, (name, value) =>
    ['ts', 'request_id', 'window_expires_at'].includes(name) ? undefined : value,
  )
  const said = Object.values(args).filter((value) => typeof value === 'string' && value.length > 20)
  return said.reduce<string>((text, value) => text.replaceAll(String(value), '‹said›'), answer)
}
