import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { addContact } from './fixtures.ts'
import { type ReadingDesk, startReadingDesk, texts, type View } from './reading-desk.ts'

let desk: ReadingDesk

beforeAll(async () => {
  desk = await startReadingDesk()
})
afterAll(() => desk?.stop())

describe('get_message', () => {
  interface Message {
    message: { message_id: string; error: unknown }
    timeline: { status: string; error: { reason: string } | null }[]
    pricing: unknown
    reached: boolean | null
  }

  test('tells what became of a message, and explains the failure', async () => {
    const { id, wamid } = await desk.addOutbound(await addContact(desk.sql, desk.number), {
      status: 'failed',
      code: 131047,
    })
    await desk.sql`insert into message_statuses (phone_number_id, message_id, wa_message_id, status, wa_timestamp, error)
      values (${desk.number.id}, ${id}, ${wamid}, 'sent', now() - interval '1 minute', null),
        (${desk.number.id}, ${id}, ${wamid}, 'failed', now(), '{"code": 131047, "details": "secret"}')`
    await desk.sql`update messages set pricing = '{"billable": true, "category": "utility"}' where id = ${id}`
    for (const reference of [id, wamid]) {
      const found = await desk.call<Message>('get_message', { message_id: reference })
      expect(found.message).toMatchObject({ message_id: id, error: { code: 131047 } })
      expect(found.timeline.map(({ status }) => status)).toEqual(['sent', 'failed'])
      expect(found.timeline[1]?.error?.reason).toMatch(/24 hours/)
      expect(found.pricing).toEqual({ billable: true, category: 'utility', type: null })
    }
    const nothing = await desk.callError('get_message', { message_id: 'wamid.NONE' })
    expect(nothing.category).not.toBe('temporary')
  })

  test('waits for a status, and no longer than for the end', async () => {
    const { id } = await desk.addOutbound(await addContact(desk.sql, desk.number))
    const waiting = desk.call<Message>('get_message', { message_id: id, wait_for: 'read' })
    await new Promise((resolve) => setTimeout(resolve, 150))
    await desk.sql`update messages set status = 'delivered' where id = ${id}`
    await desk.sql`update messages set status = 'read' where id = ${id}`
    expect((await waiting).reached).toBe(true)
    const again = { message_id: id, wait_for: 'delivered', timeout_s: 0 }
    expect((await desk.call<Message>('get_message', again)).reached).toBe(true)
    await desk.sql`update messages set status = 'failed' where id = ${id}`
    expect((await desk.call<Message>('get_message', { message_id: id, wait_for: 'read' })).reached).toBe(
      false,
    )
  })
})

describe('wait_for_reply', () => {
  interface Reply {
    replied: boolean
    messages: View[]
    resume: { conversation_id: string; after_message_id: string | null }
  }
  const wait = (conversation_id: string, more: Record<string, unknown> = {}) =>
    desk.call<Reply>('wait_for_reply', { conversation_id, ...more })

  test('returns as soon as the person writes', async () => {
    const contact = await addContact(desk.sql, desk.number)
    await desk.addInbound(contact, 'a question')
    await desk.addOutbound(contact)
    const waiting = wait(contact)
    await new Promise((resolve) => setTimeout(resolve, 150))
    await desk.addInbound(await addContact(desk.sql, desk.number), 'somebody else')
    await desk.addInbound(contact, 'thanks')
    const reply = await waiting
    expect([reply.replied, texts(reply)]).toEqual([true, ['thanks']])
    expect(reply.resume.after_message_id).toBe(reply.messages[0]?.message_id)
  })

  test('finds a reply that came before the call, and resumes where it stopped', async () => {
    const contact = await addContact(desk.sql, desk.number)
    const { id } = await desk.addOutbound(contact)
    await desk.addInbound(contact, 'quick')
    expect(texts(await wait(contact))).toEqual(['quick'])
    const first = await wait(contact, { after_message_id: id, timeout_s: 0 })
    const nothing = await wait(contact, { ...first.resume, timeout_s: 1 })
    expect(nothing).toEqual({ replied: false, messages: [], resume: first.resume })
    const error = await desk.callError('wait_for_reply', {
      conversation_id: contact,
      after_message_id: contact,
    })
    expect(error.code).toBe('message_not_found')
  })

  test('in a conversation without a word of ours it waits for a new one', async () => {
    const contact = await addContact(desk.sql, desk.number)
    expect(await wait(contact, { timeout_s: 0 })).toMatchObject({
      replied: false,
      resume: { after_message_id: null },
    })
    await desk.addInbound(contact, 'old')
    expect((await wait(contact, { timeout_s: 0 })).replied).toBe(false)
  })
})
