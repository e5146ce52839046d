import { randomBytes, randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { Listener } from '../../../server/db/listener.ts'
import { connect } from '../../../server/db/pool.ts'
import { ClientScope } from '../../../server/db/scoped.ts'
import { allTools } from '../../../server/tools/all.ts'
import { encodeCursor } from '../../../server/tools/cursor.ts'
import type { Services } from '../../../server/tools/services.ts'
import { PASSWORDS } from '../database.ts'
import { callTool } from './call-tool.ts'
import { type Desk, type Setup, startDesk } from './desk.ts'
import { addContact, addGrant, addInbound, addKey, addNumber, type TestNumber } from './fixtures.ts'

/** In every text of A's, so that one search finds whatever of it got through. */
const CANARY = 'canary'

/** Everything a caller could name. */
interface Ids {
  readonly number: string
  readonly conversation: string
  readonly message: string
  readonly wamid: string
  readonly sent: string
  readonly sentWamid: string
  readonly media: string
  readonly phone: string
  readonly bsuid: string
  readonly cursor: string
  readonly idempotencyKey: string
}

type Args = Record<string, unknown>
/** Calls that name what belongs to somebody else. `mine` is the caller's own conversation. */
type Probe = (their: Ids, mine: string) => Args[]

const dry = { dry_run: true }
const onNumber =
  (args: Args = {}): Probe =>
  ({ number }) => [{ ...args, phone_number_id: number }]
const toThem = (args: Args): Probe => {
  return ({ number, conversation, wamid, sentWamid, phone, bsuid, idempotencyKey }, mine) => [
    { ...args, to: conversation, ...dry },
    { ...args, to: phone, ...dry, phone_number_id: number },
    { ...args, to: bsuid, ...dry, phone_number_id: number },
    { ...args, to: mine, reply_to: wamid, ...dry },
    { ...args, to: mine, reply_to: sentWamid, ...dry },
    { ...args, to: mine, idempotency_key: idempotencyKey, ...dry },
  ]
}
const atMessage = (args: Args = {}): Probe => {
  return ({ number, message, wamid, sent, sentWamid }) => [
    ...[message, wamid, sent, sentWamid].map((message_id) => ({ ...args, message_id })),
    { ...args, message_id: message, phone_number_id: number },
  ]
}
const inConversation = (args: Args = {}): Probe => {
  return ({ conversation, phone, bsuid }) =>
    [conversation, phone, bsuid].map((contact) => ({ ...args, contact }))
}
const all =
  (...probes: Probe[]): Probe =>
  (their, mine) =>
    probes.flatMap((probe) => probe(their, mine))
const file = (their: Ids) => ({ source: { media_id: their.media } })

/** Every tool there is. One that is not here fails the suite. */
const PROBES: Record<string, Probe> = {
  ping: () => [{}],
  list_numbers: all(() => [{}], onNumber()),
  list_conversations: all(
    () => [{}, { query: CANARY }],
    onNumber(),
    ({ cursor }) => [{ cursor }, { cursor, detail: 'full', limit: 100 }],
  ),
  get_messages: all(
    () => [{}, { since: '1970-01-01T00:00:00Z', limit: 100 }],
    onNumber(),
    inConversation(),
    ({ message }) => [{ since: '1970-01-01T00:00:00Z', since_id: message }],
  ),
  search_messages: all(
    () => [{ query: CANARY }, { query: 'hello or secret or answer' }],
    onNumber({ query: CANARY }),
    inConversation({ query: CANARY }),
    ({ cursor }) => [{ query: CANARY, cursor }],
  ),
  find_contact: all(
    ({ phone, bsuid, cursor }) => [CANARY, phone, bsuid].flatMap((query) => [{ query }, { query, cursor }]),
    onNumber({ query: CANARY }),
  ),
  get_message: all(atMessage(), atMessage({ wait_for: 'read', timeout_s: 0 })),
  wait_for_reply: ({ conversation, message, sent, number }, mine) => [
    { conversation_id: conversation, timeout_s: 0 },
    { conversation_id: conversation, timeout_s: 0, phone_number_id: number },
    { conversation_id: mine, after_message_id: message, timeout_s: 0 },
    { conversation_id: mine, after_message_id: sent, timeout_s: 0 },
  ],
  get_media: all(atMessage(), atMessage({ mode: 'inline' }), ({ media, number }) => [
    { media_id: media },
    { media_id: media, phone_number_id: number },
  ]),
  list_templates: all(() => [{}, { query: CANARY }, { status: 'ANY' }], onNumber()),
  send_message: toThem({ body: 'x' }),
  send_media: all(toThem({ kind: 'image', source: { url: 'https://203.0.113.1/x.png' } }), (their, mine) => [
    { to: mine, kind: 'image', ...file(their), ...dry },
    { to: their.conversation, kind: 'image', ...file(their), ...dry },
  ]),
  send_interactive: toThem({ kind: 'buttons', body: 'x', buttons: [{ title: 'ok' }] }),
  send_template: all(toThem({ name: 'canary_offer', language: 'en' }), (their, mine) => [
    {
      ...{ to: mine, name: 'canary_offer', language: 'en', ...dry },
      header_media: { kind: 'image', media_id: their.media },
    },
  ]),
  react: atMessage({ emoji: '👍', ...dry }),
  mark_read: atMessage({ typing: true }),
  create_template: onNumber({
    ...{ name: 'x', category: 'UTILITY', language: 'en', body: 'x', validate_only: true },
  }),
}

let desk: Desk
let a: Setup
let b: Setup
let theirs: Ids

beforeAll(async () => {
  desk = await startDesk()
  a = await desk.setUp({
    number: { label: `${CANARY} label` },
    contact: { name: `${CANARY} person`, bsuid: 'XX.canary1' },
  })
  b = await desk.setUp()
  theirs = await fill(a, a.number)
})
afterAll(() => desk?.stop())

/** Gives a client's conversation one of everything. */
async function fill({ client, contact, waId }: Setup, number: TestNumber): Promise<Ids> {
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
function nobodys(): Ids {
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
async function ask(token: string, tool: string, args: Args): Promise<string> {
  const { isError, structuredContent } = await callTool(desk.harness, token, tool, args)
  const answer = JSON.stringify({ isError, structuredContent }, (name, value) =>
    ['ts', 'request_id', 'window_expires_at'].includes(name) ? undefined : value,
  )
  const said = Object.values(args).filter((value) => typeof value === 'string' && value.length > 20)
  return said.reduce<string>((text, value) => text.replaceAll(String(value), '‹said›'), answer)
}

const names = allTools({ listener: {} as Listener } as Services).map(({ name }) => name)

describe("D4.1 what is another client's", () => {
  test('every tool is tried', () => {
    expect(Object.keys(PROBES).sort()).toEqual([...names].sort())
  })

  test.each(names)('%s does not see it, and answers as if it did not exist', async (name) => {
    const probe = PROBES[name] ?? (() => [])
    const nowhere = nobodys()
    const foreign = probe(theirs, b.contact)
    const unknown = probe(nowhere, b.contact)
    expect(foreign.length).toBeGreaterThan(0)
    for (const [index, args] of foreign.entries()) {
      const answer = await ask(b.token, name, args)
      expect(answer, JSON.stringify(args)).not.toContain(CANARY)
      for (const id of Object.values(theirs)) expect(answer, JSON.stringify(args)).not.toContain(id)
      expect(answer, JSON.stringify(args)).toBe(await ask(b.token, name, unknown[index] ?? {}))
      expect(answer).not.toContain('internal_error')
    }
  })

  test('the probes do find what is there when its owner asks', async () => {
    const found = [
      'list_conversations',
      'get_messages',
      'search_messages',
      'find_contact',
      'get_message',
      'get_media',
      'list_templates',
    ]
    for (const name of found) {
      const args = PROBES[name]?.(theirs, a.contact) ?? []
      const answers = await Promise.all(args.map((one) => ask(a.token, name, one)))
      expect(
        answers.some((answer) => answer.includes(CANARY)),
        name,
      ).toBe(true)
    }
    expect(await ask(a.token, 'list_numbers', {})).toContain(CANARY)
  })

  test('nothing of it was sent or marked as read', () => {
    expect(desk.graph.sent).toEqual([])
    expect(desk.graph.receipts).toEqual([])
  })
})

describe('on a number two clients share', () => {
  let shared: TestNumber
  let common: Ids

  beforeAll(async () => {
    const { sql } = desk.harness.db
    shared = await addNumber(sql, a.client, { label: 'shared' })
    const contact = await addContact(sql, shared, { waId: '15557777777' })
    common = await fill({ ...a, contact, waId: '15557777777' }, shared)
    for (const { client } of [a, b]) await addGrant(sql, client, shared)
    await vi.waitFor(async () => expect(await ask(b.token, 'list_numbers', {})).toContain(shared.waId))
  })
  const here = (args: Args) => ({ ...args, phone_number_id: shared.waId })

  test('both read what came in', async () => {
    for (const { token } of [a, b]) {
      expect(await ask(token, 'get_messages', here({}))).toContain(common.message)
      expect(await ask(token, 'get_message', { message_id: common.wamid })).toContain(common.message)
      expect(await ask(token, 'search_messages', { query: 'canary hello' })).toContain(common.message)
    }
  })

  test('D4.1 neither reads what the other sent', async () => {
    for (const [tool, args] of [
      ['get_messages', here({ limit: 100 })],
      ['list_conversations', here({ detail: 'full' })],
      ['search_messages', { query: 'canary answer' }],
      ['get_message', { message_id: common.sent }],
      ['get_message', { message_id: common.sentWamid }],
      ['react', { message_id: common.sentWamid, emoji: '👍', ...dry }],
      [
        'wait_for_reply',
        { conversation_id: common.conversation, after_message_id: common.sent, timeout_s: 0 },
      ],
      ['send_message', { to: common.conversation, body: 'x', reply_to: common.sentWamid, ...dry }],
    ] as const) {
      const answer = await ask(b.token, tool, args)
      expect(answer, tool).not.toContain(common.sent)
      expect(answer, tool).not.toContain(common.sentWamid)
      expect(answer, tool).not.toContain('canary answer')
    }
    expect(await ask(a.token, 'get_messages', here({}))).toContain(common.sent)
  })
})

describe('D4.1 what the operator takes away is gone at once', () => {
  const numbers = async (token: string) => {
    const { structuredContent } = await callTool(desk.harness, token, 'list_numbers', {})
    const listed = structuredContent as { numbers?: { phone_number_id: string }[] }
    return (listed.numbers ?? []).map(({ phone_number_id }) => phone_number_id)
  }

  test('a revoked grant', async () => {
    const setup = await desk.setUp()
    const args = { phone_number_id: setup.number.waId }
    const unknown = await ask(setup.token, 'get_messages', { phone_number_id: '299999999999999' })
    expect(await ask(setup.token, 'get_messages', args)).not.toBe(unknown)
    await desk.harness.db
      .sql`update client_phone_grants set revoked_at = now() where client_id = ${setup.client.id}`
    await expect.poll(() => ask(setup.token, 'get_messages', args)).toBe(unknown)
    expect((await setup.say('x')).error.code).toBe('no_number')
  })

  test('a disabled number', async () => {
    const setup = await desk.setUp()
    expect(await numbers(setup.token)).toEqual([setup.number.waId])
    await desk.harness.db.sql`update phone_numbers set disabled_at = now() where id = ${setup.number.id}`
    await expect.poll(() => numbers(setup.token)).toEqual([])
    expect((await setup.say('x')).error.code).toBe('no_number')
  })

  test('a key for some numbers and tools does not reach the others', async () => {
    const { sql } = desk.harness.db
    const setup = await desk.setUp()
    const second = await addNumber(sql, setup.client)
    await addGrant(sql, setup.client, second)
    const scopes = ['tools:list_numbers', 'tools:get_messages', `numbers:${second.waId}`]
    const { token } = await addKey(sql, setup.client, desk.harness.config.pepper, { scopes })
    await expect.poll(() => numbers(token)).toEqual([second.waId])
    expect(await ask(token, 'get_messages', { phone_number_id: setup.number.waId })).toBe(
      await ask(token, 'get_messages', { phone_number_id: '299999999999999' }),
    )
    expect(await ask(token, 'search_messages', { query: 'x' })).toContain('scope_denied')
    expect(await ask(token, 'ping', {})).toContain('"ok":true')
  })

  test('a grant without the verb or the tool', async () => {
    const reader = await desk.setUp({ grant: { verbs: ['read'], tools: ['get_messages'] } })
    expect((await reader.say('x')).error.code).toBe('grant_denied')
    expect(await ask(reader.token, 'find_contact', { query: 'x' })).toContain('grant_denied')
    expect(await ask(reader.token, 'get_messages', {})).toContain('"messages"')
  })
})

describe('row-level security', () => {
  const app = () => connect({ url: desk.harness.db.url, role: 'wa_app', password: PASSWORDS.app, max: 1 })

  test('protects every table tools can select from, and they can write to none', async () => {
    const tables = await desk.harness.db.sql<{ name: string; rls: boolean; writes: boolean }[]>`
      select relname as name, relrowsecurity as rls,
        has_any_column_privilege('wa_client', oid, 'insert, update') or has_table_privilege('wa_client', oid, 'delete, truncate') as writes
      from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm', 'f')
        and has_any_column_privilege('wa_client', oid, 'select')`
    expect(tables.map(({ name }) => name)).toContain('messages')
    expect(tables.filter(({ rls, writes }) => !rls || writes)).toEqual([])

    const sql = app()
    for (const { name } of tables) {
      // Without a tenant nobody sees anything, however the query is written.
      const seen = sql.begin(async (tx) => {
        await tx`set local role wa_client`
        return await tx`select 1 from ${tx(name)} limit 1`
      })
      expect((await seen).length, name).toBe(0)
    }
    await sql.end({ timeout: 1 })
  })

  test('a handle sees the numbers it was made for, may not write, and leaves nothing behind', async () => {
    const sql = app()
    const scope = new ClientScope(sql, { clientId: b.client.id, numberIds: [b.number.id] })
    const count = (table: string) =>
      scope.read((tx) => tx`select id from ${tx(table)}`).then(({ length }) => length)
    expect([
      await count('phone_numbers'),
      await count('media_objects'),
      await count('message_statuses'),
    ]).toEqual([1, 0, 0])
    const nothing = new ClientScope(sql, { clientId: b.client.id, numberIds: [] })
    expect(await nothing.read((tx) => tx`select 1 from messages`)).toHaveLength(0)
    await expect(scope.read((tx) => tx`update messages set body = ''`)).rejects.toThrow(/read-only/)
    await expect(scope.read((tx) => tx`select hash from api_keys`)).rejects.toThrow(/permission denied/)
    await expect(scope.read((tx) => tx`select access_token_secret_ref from phone_numbers`)).rejects.toThrow(
      /permission denied/,
    )
    await expect(scope.read(() => Promise.reject(new Error('a tool failed')))).rejects.toThrow(
      'a tool failed',
    )
    const [after] = await sql`select current_user as who, current_setting('wa.numbers', true) as numbers`
    expect(after).toEqual({ who: 'wa_app', numbers: '' })
    await sql.end({ timeout: 1 })
  })
})
