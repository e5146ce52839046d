import { afterAll, beforeAll, expect, test } from 'vitest'
import { emit } from '../../../server/jobs/emit.ts'
import { type Desk, messageRow, type Setup, startDesk } from './desk.ts'

let desk: Desk

beforeAll(async () => {
  desk = await startDesk()
})
afterAll(() => desk?.stop())

const ORDER = {
  name: 'order_update',
  components: [
    { type: 'HEADER', format: 'TEXT', text: 'Order {{1}}' },
    { type: 'BODY', text: 'Dear {{1}}, it arrives on {{2}}.' },
    {
      type: 'BUTTONS',
      buttons: [
        { type: 'QUICK_REPLY', text: 'Stop' },
        { type: 'URL', text: 'Track', url: 'https://example.org/{{1}}' },
      ],
    },
  ],
}
const FILLED = {
  name: 'order_update',
  language: 'en_US',
  parameters: { 1: 'Ana', 2: 'Monday' },
  header_parameter: '77',
  button_parameters: { 1: 'abc' },
}

const rows = ({ number }: Pick<Setup, 'number'>) =>
  desk.harness.db.sql<Record<string, unknown>[]>`
    select name, language, status, category, quality, rejected_reason from templates
    where wa_business_account_id = ${number.wabaId} order by name, language`

async function sync({ number }: Pick<Setup, 'number'>): Promise<void> {
  const { sql } = desk.harness.db
  await emit(sql, 'wa/templates.sync.requested', { wabaId: number.wabaId }, { key: number.wabaId })
  const open = () => sql`select 1 from outbox where concurrency_key = ${number.wabaId} and state <> 'done'`
  await expect.poll(async () => (await open()).length).toBe(0)
}

/** With a window that is closed, so that only templates are left. */
async function setUp(): Promise<Setup> {
  const setup = await desk.setUp({ contact: { inWindow: false } })
  desk.graph.closedWindows.add(`+${setup.waId}`)
  desk.graph.addTemplate({ wabaId: setup.number.wabaId, ...ORDER })
  await sync(setup)
  return setup
}

const postsOf = ({ number }: Pick<Setup, 'number'>) =>
  desk.graph.requests.filter(({ path }) => path === `/${number.waId}/messages`)

test('templates are fetched page by page; what vanished is marked, what is new appears', async () => {
  const setup = await desk.setUp()
  const { wabaId } = setup.number
  for (let n = 0; n < 130; n += 1)
    desk.graph.addTemplate({ wabaId, name: `t${String(n).padStart(3, '0')}`, language: 'de' })
  await sync(setup)
  expect(await rows(setup)).toHaveLength(130)
  const [first] = desk.graph.templates.filter((one) => one.wabaId === wabaId)
  if (first) first.status = 'DELETED'
  desk.graph.addTemplate({ wabaId, name: 'zz', status: 'REJECTED', category: 'MARKETING' })
  await sync(setup)
  const after = await rows(setup)
  expect(after).toHaveLength(131)
  expect(after[0]).toMatchObject({ name: 't000', status: 'DELETED' })
  expect(after.at(-1)).toMatchObject({ name: 'zz', status: 'REJECTED', category: 'MARKETING' })
})

test('list_templates of an account nobody has asked about fetches them', async () => {
  const setup = await desk.setUp()
  desk.graph.addTemplate({ wabaId: setup.number.wabaId, ...ORDER })
  expect((await setup.call('list_templates', {})).output).toMatchObject({
    templates: [],
    note: expect.stringContaining('being fetched'),
  })
  await expect
    .poll(async () => (await setup.call('list_templates', {})).output.templates)
    .toEqual([
      {
        name: 'order_update',
        language: 'en_US',
        category: 'UTILITY',
        status: 'APPROVED',
        parameters: ['1', '2'],
        header: 'text',
        header_parameter: true,
        buttons: [
          { index: 0, text: 'Stop', parameter: 'payload', is_required: false },
          { index: 1, text: 'Track', parameter: 'url_suffix', is_required: true },
        ],
        preview: 'Order {{1}}\nDear {{1}}, it arrives on {{2}}.',
        quality: null,
        rejected_reason: null,
      },
    ])
})

test('list_templates filters and pages without loss or repeat', async () => {
  const setup = await desk.setUp()
  const { wabaId } = setup.number
  for (const language of ['en', 'en_US', 'de'])
    for (const name of ['alpha', 'beta']) desk.graph.addTemplate({ wabaId, name, language })
  desk.graph.addTemplate({ wabaId, name: 'gamma_100%', language: 'de', status: 'PENDING' })
  await sync(setup)
  const names = async (args: Record<string, unknown>) => {
    const { output } = await setup.call('list_templates', args)
    const found = output.templates as { name: string; language: string }[]
    return { found: found.map(({ name, language }) => `${name} ${language}`), next: output.next_cursor }
  }
  const pages: string[] = []
  let cursor: unknown
  do {
    const { found, next } = await names({ limit: 4, ...(cursor ? { cursor } : {}) })
    pages.push(...found)
    cursor = next
  } while (cursor)
  expect(pages).toEqual(['alpha de', 'alpha en', 'alpha en_US', 'beta de', 'beta en', 'beta en_US'])
  expect((await names({ language: 'en', query: 'BET' })).found).toEqual(['beta en', 'beta en_US'])
  expect((await names({ query: '0%', status: 'ANY' })).found).toEqual(['gamma_100% de'])
  expect((await names({ query: '1_0%', status: 'ANY' })).found).toEqual([])
  expect((await setup.call('list_templates', { cursor: 'nonsense' })).error.code).toBe('invalid_input')
})

test('a template goes out although the window is closed, filled as it wants to be', async () => {
  const setup = await setUp()
  const { output } = await setup.call('send_template', { to: setup.contact, ...FILLED })
  expect(output.state).toBe('accepted')
  expect(desk.graph.sent.at(-1)?.body).toMatchObject({ type: 'template', template: { name: 'order_update' } })
  expect(await messageRow(desk.harness, output.message_id)).toMatchObject({
    message_type: 'template',
    body: 'Order 77\nDear Ana, it arrives on Monday.',
  })
})

test('to somebody who never wrote, too; the conversation begins', async () => {
  const setup = await setUp()
  const { output } = await setup.call('send_template', { to: `+49151${setup.waId}`.slice(0, 15), ...FILLED })
  expect(output).toMatchObject({ state: 'accepted', conversation_id: expect.any(String) })
  expect(output.conversation_id).not.toBe(setup.contact)
})

test.each([
  ['too few parameters', { parameters: { 1: 'Ana' } }, 'template_parameters'],
  ['another language', { language: 'de' }, 'template_not_found'],
  ['a name that is none', { name: 'order' }, 'template_not_found'],
  ['a missing header', { header_parameter: undefined }, 'template_parameters'],
  ['a header that is both link and file', { header_media: { kind: 'image' } }, 'invalid_input'],
])('%s is caught before Meta is asked', async (_, change, code) => {
  const setup = await setUp()
  const { error } = await setup.call('send_template', { to: setup.contact, ...FILLED, ...change })
  expect(error.code).toBe(code)
  expect(postsOf(setup)).toHaveLength(0)
})

test('what only Meta knows comes back as a template error', async () => {
  const setup = await setUp()
  const stored = desk.graph.templates.find((one) => one.wabaId === setup.number.wabaId)
  if (stored) stored.status = 'PAUSED'
  const { error } = await setup.call('send_template', { to: setup.contact, ...FILLED })
  expect(error).toMatchObject({ code: 'meta_132015', category: 'template' })
})

test('who opted out gets no marketing, but still what they asked for', async () => {
  const setup = await setUp()
  desk.graph.addTemplate({ wabaId: setup.number.wabaId, name: 'offer', category: 'MARKETING' })
  await sync(setup)
  const { sql } = desk.harness.db
  await sql`update contacts set marketing_opt_out_at = now() where id = ${setup.contact}`
  const offer = { to: setup.contact, name: 'offer', language: 'en_US' }
  expect((await setup.call('send_template', offer)).error).toMatchObject({
    code: 'opted_out',
    category: 'recipient',
  })
  expect((await setup.call('send_template', { to: setup.contact, ...FILLED })).output.state).toBe('accepted')
})

test('a header can be a file this server holds', async () => {
  const setup = await setUp()
  desk.graph.addTemplate({
    wabaId: setup.number.wabaId,
    name: 'with_image',
    components: [
      { type: 'HEADER', format: 'IMAGE' },
      { type: 'BODY', text: 'Look.' },
    ],
  })
  await sync(setup)
  const png = Buffer.from(
    'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgYPj/HwADAgH/p9mAXAAAAABJRU5ErkJggg==',
    'base64',
  )
  const inWindow = { kind: 'image', source: { base64: png.toString('base64') } }
  const { sql } = desk.harness.db
  await sql`update contacts set window_expires_at = now() + interval '1 hour' where id = ${setup.contact}`
  desk.graph.closedWindows.delete(`+${setup.waId}`)
  await setup.call('send_media', { to: setup.contact, ...inWindow })
  const [file] = await sql<
    { id: string }[]
  >`select id from media_objects where phone_number_id = ${setup.number.id}`
  const template = { to: setup.contact, name: 'with_image', language: 'en_US' }
  const { output } = await setup.call('send_template', {
    ...template,
    header_media: { kind: 'image', media_id: file?.id },
  })
  expect(output.state).toBe('accepted')
  expect(desk.graph.sent.at(-1)?.body).toMatchObject({
    template: {
      components: [{ type: 'header', parameters: [{ type: 'image', image: { id: expect.any(String) } }] }],
    },
  })
  expect((await setup.call('send_template', template)).error.code).toBe('template_parameters')
})

test('create_template checks, submits, and is listed as pending', async () => {
  const setup = await desk.setUp()
  const template = {
    name: 'order_ready',
    category: 'UTILITY',
    language: 'en_US',
    body: 'Hello {{1}}, it is ready.',
    examples: { 1: 'Ana' },
    buttons: [{ type: 'quick_reply', text: 'Thanks' }],
  }
  const call = (change: Record<string, unknown>) => setup.call('create_template', { ...template, ...change })
  const templatesOf = () => desk.graph.templates.filter((one) => one.wabaId === setup.number.wabaId)
  expect((await call({ validate_only: true })).output).toMatchObject({
    state: 'validated',
    template_id: null,
  })
  expect((await call({ body: 'Hello {{1}}' })).error).toMatchObject({
    code: 'template_invalid',
    category: 'template',
  })
  expect((await call({ name: 'Order-Ready' })).error.code).toBe('invalid_input')
  expect(templatesOf()).toHaveLength(0)
  expect((await call({})).output).toMatchObject({
    state: 'PENDING',
    template_id: expect.stringMatching(/^\d+$/),
  })
  expect(templatesOf()).toHaveLength(1)
  expect((await setup.call('list_templates', { status: 'PENDING' })).output.templates).toMatchObject([
    { name: 'order_ready', status: 'PENDING', parameters: ['1'] },
  ])
  expect((await call({})).error).toMatchObject({ code: 'meta_100', category: 'invalid_input' })
})

test('create_template needs the verb template', async () => {
  const setup = await desk.setUp({ grant: { verbs: ['read', 'send'] } })
  const template = { name: 'x', category: 'UTILITY', language: 'en', body: 'Hello.' }
  expect((await setup.call('create_template', template)).isError).toBe(true)
  expect(desk.graph.templates.filter((one) => one.wabaId === setup.number.wabaId)).toHaveLength(0)
})
