import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { type Desk, type Setup, startDesk } from './desk.ts'
import { addInbound } from './fixtures.ts'

let desk: Desk

beforeAll(async () => {
  desk = await startDesk()
})
afterEach(() => desk.graph.behave(undefined))
afterAll(() => desk?.stop())

const hear = ({ number, client, contact }: Setup, o: Parameters<typeof addInbound>[4] = {}) =>
  addInbound(desk.harness.db.sql, number, client, contact, o)

test.each([
  [
    'buttons',
    { kind: 'buttons', body: 'Yes or no?', buttons: [{ title: 'Yes' }, { title: 'No' }] },
    'button',
  ],
  [
    'a list',
    {
      kind: 'list',
      body: 'Which?',
      label: 'Choose',
      sections: [{ rows: [{ title: 'One' }, { title: 'Two' }] }],
    },
    'list',
  ],
  ['a link', { kind: 'cta_url', body: 'See', label: 'Open', url: 'https://example.org' }, 'cta_url'],
  ['a location request', { kind: 'location_request', body: 'Where?' }, 'location_request_message'],
])('%s go out', async (_, args, type) => {
  const { call, contact } = await desk.setUp()
  expect((await call('send_interactive', { to: contact, ...args })).output.state).toBe('accepted')
  expect(desk.graph.sent.at(-1)?.body).toMatchObject({ type: 'interactive', interactive: { type } })
})

test('an interactive message Meta would refuse is refused here', async () => {
  const { call, contact, number } = await desk.setUp()
  const buttons = [{ title: 'Same' }, { title: 'Same' }]
  const answer = await call('send_interactive', { to: contact, kind: 'buttons', body: 'x', buttons })
  expect(answer.error).toMatchObject({ code: 'interactive_invalid', category: 'invalid_input' })
  const four = ['a', 'b', 'c', 'd'].map((title) => ({ title }))
  const more = await call('send_interactive', { to: contact, kind: 'buttons', body: 'x', buttons: four })
  expect(more.error.code).toBe('invalid_input')
  expect(desk.graph.requests.some(({ path }) => path.includes(number.waId))).toBe(false)
})

test('an emoji is put on a message, and taken away', async () => {
  const setup = await desk.setUp()
  const { id, wamid } = await hear(setup)
  expect((await setup.call('react', { message_id: id, emoji: '👍' })).output.state).toBe('accepted')
  expect(desk.graph.sent.at(-1)?.body).toMatchObject({ reaction: { message_id: wamid, emoji: '👍' } })
  expect((await setup.call('react', { message_id: wamid, emoji: null })).output.state).toBe('accepted')
  expect(desk.graph.sent.at(-1)?.body).toMatchObject({ reaction: { message_id: wamid, emoji: '' } })
})

test.each([
  ['a reaction', { type: 'reaction' }],
  ['a message of last year', { old: true }],
])('%s is reacted to by nobody', async (_, { type, old }: { type?: string; old?: boolean }) => {
  const setup = await desk.setUp()
  const { id } = await hear(setup, type ? { type } : {})
  if (old)
    await desk.harness.db.sql`update messages set created_at = now() - interval '31 days' where id = ${id}`
  expect((await setup.call('react', { message_id: id, emoji: '👍' })).error.code).toBe('reaction_target')
  expect((await setup.call('react', { message_id: id, emoji: 'words' })).error.code).toBe('invalid_input')
})

test('a message is marked as read, with typing when asked', async () => {
  const setup = await desk.setUp()
  const { id, wamid } = await hear(setup)
  expect((await setup.call('mark_read', { message_id: id })).output).toEqual({ ok: true, message_id: id })
  await setup.call('mark_read', { message_id: wamid, typing: true })
  expect(desk.graph.receipts.filter((one) => one.wamid === wamid)).toEqual([
    { wamid, typing: false },
    { wamid, typing: true },
  ])
})

test('only what a person wrote can be marked as read', async () => {
  const setup = await desk.setUp()
  const { output } = await setup.say('ours')
  expect((await setup.call('mark_read', { message_id: output.message_id })).error.code).toBe('not_inbound')
  const other = await desk.setUp()
  const { id, wamid } = await hear(other)
  for (const message_id of [id, wamid])
    expect((await setup.call('mark_read', { message_id })).error.code).toBe('message_not_found')
  expect(desk.graph.receipts.some((one) => one.wamid === wamid)).toBe(false)
})

test.each([
  [{ error: 130429 }, 'meta_130429', 'temporary', true],
  [{ error: 190 }, 'meta_190', 'account', false],
  ['html-502', 'meta_unreachable', 'temporary', true],
] as const)('what Meta says against a receipt (%j) is told', async (behaviour, code, category, retryable) => {
  const setup = await desk.setUp()
  const { id } = await hear(setup)
  desk.graph.behave(behaviour, 1)
  const { error } = await setup.call('mark_read', { message_id: id })
  expect(error).toMatchObject({ code, category, retryable })
})
