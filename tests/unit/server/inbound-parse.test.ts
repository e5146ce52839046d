import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseDelivery } from '../../../server/inbound/parse.ts'
import { sanitise } from '../../../server/inbound/sanitise.ts'
import { oddDelivery } from '../../integration/server/odd-deliveries.ts'

const WABA = '100000000000001'
const parse = (body: unknown) => parseDelivery(Buffer.from(JSON.stringify(body)))
const change = (field: unknown, value: unknown) =>
  parse({ object: 'whatsapp_business_account', entry: [{ id: WABA, changes: [{ field, value }] }] })

test.each(['', 'nonsense', '[]', 'null', '{"object":"page"}', '"whatsapp_business_account"'])(
  '%j is nothing of ours',
  (body) => {
    expect(parseDelivery(Buffer.from(body))).toBeNull()
  },
)

test('several entries, changes, messages and statuses come out in their order', () => {
  const value = (n: number) => ({
    metadata: { phone_number_id: `20000${n}` },
    messages: [
      { id: `m${n}a`, from: '155500', type: 'text' },
      { id: `m${n}b`, from: '155500', type: 'text' },
    ],
    statuses: [{ id: `s${n}`, status: 'sent' }],
  })
  const entry = (n: number) => ({
    id: WABA,
    changes: [
      { field: 'messages', value: value(n) },
      { field: 'messages', value: value(n + 1) },
    ],
  })
  const items = parse({ object: 'whatsapp_business_account', entry: [entry(1), entry(3)] })
  expect(items?.map((item) => 'wamid' in item && item.wamid)).toEqual(
    [1, 2, 3, 4].flatMap((n) => [`m${n}a`, `m${n}b`, `s${n}`]),
  )
})

test('a status', () => {
  const status = {
    id: 'wamid.OUT',
    status: 'failed',
    timestamp: 1_790_000_000,
    recipient_id: '15550002222',
    recipient_user_id: 'US.1',
    biz_opaque_callback_data: 'ours',
    pricing: { billable: true, pricing_model: 'PMP', type: 'regular', category: 'service', other: 1 },
    errors: [{ code: 131047, title: 't', message: 'm', error_data: { details: 'd' }, href: 'h', other: 1 }],
  }
  expect(change('messages', { metadata: { phone_number_id: '200001' }, statuses: [status] })).toEqual([
    {
      kind: 'status',
      number: '200001',
      wamid: 'wamid.OUT',
      status: 'failed',
      recipient: '15550002222',
      person: { bsuid: 'US.1', parentBsuid: null, waId: '15550002222', username: null, name: null },
      callback: 'ours',
      at: new Date(1_790_000_000_000),
      error: { code: 131047, title: 't', message: 'm', details: 'd', href: 'h' },
      pricing: { billable: true, pricing_model: 'PMP', type: 'regular', category: 'service' },
    },
  ])
})

const about = { message_template_id: 5, message_template_name: 'n', message_template_language: 'en-US' }
test.each([
  ['APPROVED', 'APPROVED'],
  ['PAUSED', 'PAUSED'],
  ['REINSTATED', 'APPROVED'],
  ['FLAGGED', null],
  ['ANYTHING', null],
])('the template event %s leaves the state %s', (event, status) => {
  expect(change('message_template_status_update', { ...about, event, reason: null })).toEqual([
    {
      kind: 'template',
      waba: WABA,
      templateId: '5',
      name: 'n',
      language: 'en_US',
      status,
      category: null,
      quality: null,
      reason: null,
    },
  ])
})

test.each(['account_alerts', 'history', 'calls', 'business_username_update'])(
  'the field %s is ignored by name',
  (field) => {
    expect(change(field, { metadata: { phone_number_id: '200001' } })).toEqual([
      { kind: 'ignored', what: field },
    ])
  },
)

test('a field we do not know does not put its name into the audit', () => {
  for (const field of ['__proto__', 'A field\n', 'x'.repeat(100), '15550002222', 7, null]) {
    expect(change(field, {})).toEqual([{ kind: 'ignored', what: 'other' }])
  }
})

test('D2.4 values under keys that sound like a secret are replaced at any depth, also inside the answers of a flow', () => {
  const answers = JSON.stringify({ flow_token: 'a', name: 'Ana' })
  expect(sanitise({ a: [{ Token: 1, b: { app_secret: {}, ok: 'ok' } }], response_json: answers })).toEqual({
    a: [{ Token: '<redacted>', b: { app_secret: '<redacted>', ok: 'ok' } }],
    response_json: '{"flow_token":"<redacted>","name":"Ana"}',
  })
})

test('a nesting that would exhaust the stack is cut off', () => {
  const deep = `${'['.repeat(500_000)}${']'.repeat(500_000)}`
  const body = `{"object":"whatsapp_business_account","entry":[{"changes":[{"field":"messages","value":{"metadata":{"phone_number_id":"200001"},"messages":[{"id":"w","from":"155500","type":"text","x":${deep}}]}}]}]}`
  expect(parseDelivery(Buffer.from(body))).toMatchObject([{ kind: 'message', wamid: 'w' }])
})

test('no delivery, however odd, makes the parser throw, and what comes out can be stored', () => {
  fc.assert(
    fc.property(oddDelivery('200001', WABA), (body) => {
      const text = JSON.stringify(parse(body))
      expect(text).not.toMatch(/\\u0000|\\ud[89a-f]/)
      expect(text.startsWith('[')).toBe(true)
    }),
  )
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      expect(parseDelivery(Buffer.from(bytes))).toBeNull()
    }),
  )
})
