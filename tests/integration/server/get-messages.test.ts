import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { addContact } from './fixtures.ts'
import { type ReadingDesk, startReadingDesk, texts, type View } from './reading-desk.ts'

interface Page {
  readonly messages: View[]
  readonly has_more: boolean
  readonly next: { since: string; since_id: string | null }
}

let desk: ReadingDesk

beforeAll(async () => {
  desk = await startReadingDesk()
})
afterAll(() => desk?.stop())

describe('get_messages', () => {
  test('D2.7 pages without loss or repeat when many rows share a timestamp', async () => {
    const contact = await addContact(desk.sql, desk.number)
    const instant = '2026-03-01T10:00:00.123456Z'
    await desk.sql`
      insert into messages (phone_number_id, contact_id, client_id, direction, message_type, body, status, created_at)
      select ${desk.number.id}, ${contact}, ${desk.client.id}, 'inbound', 'text', 'same ' || n, 'received',
        ${instant}::text::timestamptz + (n / 20) * interval '1 microsecond'
      from generate_series(0, 59) n`
    const seen: string[] = []
    let next: Record<string, unknown> = { since: '2026-03-01T10:00:00Z' }
    for (let pages = 0; pages < 20; pages += 1) {
      const page = await desk.call<Page>('get_messages', { ...next, contact, limit: 7 })
      seen.push(...texts(page).map(String))
      next = { since: page.next.since, since_id: page.next.since_id }
      if (!page.has_more) break
    }
    expect(seen.length).toBe(60)
    expect(new Set(seen).size).toBe(60)
    const nothing = await desk.call<Page>('get_messages', { ...next, contact })
    expect(nothing).toEqual({ messages: [], has_more: false, next })
  })

  test('the next of a conversation without messages is a place to go on from', async () => {
    const contact = await addContact(desk.sql, desk.number)
    const nothing = await desk.call<Page>('get_messages', { contact })
    await desk.addInbound(contact, 'the first')
    const page = await desk.call<Page>('get_messages', { ...nothing.next, contact })
    expect(texts(page)).toEqual(['the first'])
  })

  test('D2.7 a wamid, a bare date and a lone since_id are refused as a place to start', async () => {
    for (const [args, field] of [
      [{ since: 'wamid.HBgLMTU1NTAwMDIyMjI' }, 'since'],
      [{ since: '2026-03-01' }, 'since'],
      [{ since: '2026-03-01T10:00:00+19:00' }, 'since'],
      [{ since_id: '00000000-0000-0000-0000-000000000000' }, 'since_id'],
      [{ since: '2026-03-01T10:00:00Z', latest: true }, 'latest'],
      [{ limit: 101 }, 'limit'],
    ] as const) {
      const error = await desk.callError('get_messages', args)
      expect(error).toMatchObject({ code: 'invalid_input', issues: [{ field }] })
      expect(JSON.stringify(error)).not.toContain('HBgL')
    }
  })

  test('without since shows the newest, oldest of them first, with a place to go on from', async () => {
    const contact = await addContact(desk.sql, desk.number)
    for (const n of [1, 2, 3]) await desk.addInbound(contact, `line ${n}`)
    const newest = await desk.call<Page>('get_messages', { contact, limit: 2 })
    expect(texts(newest)).toEqual(['line 2', 'line 3'])
    expect(newest.messages[0]?.created_at).toMatch(/\.\d{6}Z$/)
    await desk.addInbound(contact, 'line 4')
    const later = await desk.call<Page>('get_messages', { ...newest.next, contact })
    expect(texts(later)).toEqual(['line 4'])
    const empty = await addContact(desk.sql, desk.number)
    const start = await desk.call<Page>('get_messages', { contact: empty, latest: true })
    await desk.addInbound(empty, 'first')
    const { since } = start.next
    expect(texts(await desk.call<Page>('get_messages', { since, contact: empty }))).toEqual(['first'])
  })

  test('takes a conversation by id, phone number, former phone number and user id, and one direction', async () => {
    const contact = await addContact(desk.sql, desk.number, { waId: '4915112345678', bsuid: 'DE.abc123' })
    await desk.sql`insert into contact_identities (contact_id, phone_number_id, wa_id, reason)
      values (${contact}, ${desk.number.id}, '4915199999999', 'test')`
    await desk.addInbound(contact, 'theirs')
    await desk.addOutbound(contact, { body: 'ours' })
    for (const name of [contact, '+4915112345678', '4915112345678', '+4915199999999', 'DE.abc123']) {
      expect(texts(await desk.call<Page>('get_messages', { contact: name }))).toEqual(['theirs', 'ours'])
    }
    const only = async (direction: string) =>
      texts(await desk.call<Page>('get_messages', { contact, direction }))
    expect([await only('inbound'), await only('outbound')]).toEqual([['theirs'], ['ours']])
    const error = await desk.callError('get_messages', { contact: '+19999999999' })
    expect(error.code).toBe('conversation_not_found')
  })

  test('marks what others wrote and takes out what people do not see', async () => {
    const contact = await addContact(desk.sql, desk.number)
    await desk.addInbound(contact, 'see\u200B \u202Eme\u{E0041}\u0007\nplainly \u{1F469}\u200D\u{1F680}')
    const page = await desk.call<Page>('get_messages', { contact })
    expect(page.messages[0]?.text).toEqual({
      untrusted: true,
      value: 'see me\nplainly \u{1F469}\u200D\u{1F680}',
    })
  })
})
