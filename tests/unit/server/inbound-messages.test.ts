import { expect, test } from 'vitest'
import { parseDelivery } from '../../../server/inbound/parse.ts'

const NUMBER = '200000000000002'

function parse(value: Record<string, unknown>, field = 'messages') {
  const metadata = { display_phone_number: '15550001111', phone_number_id: NUMBER }
  const entry = [{ id: '100000000000001', changes: [{ field, value: { metadata, ...value } }] }]
  return parseDelivery(Buffer.from(JSON.stringify({ object: 'whatsapp_business_account', entry })))
}
const message = (fields: Record<string, unknown>) => {
  const defaults = { id: 'wamid.1', from: '15550002222', from_user_id: 'US.1', timestamp: '1790000000' }
  return parse({ messages: [{ ...defaults, ...fields }] })?.[0]
}

/** Type, content → what people read, what programs read, the file. */
const TYPES: [string, unknown, { body: string | null; payload: object; media?: object }][] = [
  ['text', { body: 'hi' }, { body: 'hi', payload: {} }],
  [
    'image',
    { id: 'M1', mime_type: 'image/jpeg', sha256: 'x', url: 'https://example.org', caption: 'look' },
    { body: 'look', payload: { mimeType: 'image/jpeg' }, media: { kind: 'image', id: 'M1' } },
  ],
  [
    'video',
    { id: 'M2', mime_type: 'video/mp4' },
    { body: null, payload: { mimeType: 'video/mp4' }, media: { kind: 'video', id: 'M2' } },
  ],
  [
    'audio',
    { id: 'M3', mime_type: 'audio/ogg; codecs=opus', voice: true },
    { body: null, payload: { mimeType: 'audio/ogg; codecs=opus', voice: true }, media: { kind: 'audio' } },
  ],
  [
    'document',
    { id: 'M4', mime_type: 'application/pdf', filename: 'a.pdf', caption: 'read' },
    { body: 'read', payload: { filename: 'a.pdf' }, media: { kind: 'document', filename: 'a.pdf' } },
  ],
  [
    'sticker',
    { id: 'M5', mime_type: 'image/webp', animated: false },
    { body: null, payload: { animated: false }, media: { kind: 'sticker' } },
  ],
  [
    'location',
    { latitude: 40.4, longitude: -3.7, name: 'Shop', address: 'Street 1' },
    { body: 'Shop, Street 1', payload: { latitude: 40.4, longitude: -3.7, name: 'Shop' } },
  ],
  [
    'contacts',
    [{ name: { formatted_name: 'Bo' }, phones: [{ phone: '+1 555', type: 'CELL' }], emails: [] }],
    {
      body: 'Bo',
      payload: { contacts: [{ name: 'Bo', phones: [{ phone: '+1 555', type: 'CELL' }], emails: [] }] },
    },
  ],
  [
    'interactive',
    { type: 'button_reply', button_reply: { id: 'yes', title: 'Yes' } },
    { body: 'Yes', payload: { kind: 'button_reply', selectedId: 'yes' } },
  ],
  [
    'interactive',
    { type: 'list_reply', list_reply: { id: 'r1', title: 'Row', description: 'more' } },
    { body: 'Row', payload: { kind: 'list_reply', selectedId: 'r1', description: 'more' } },
  ],
  [
    'interactive',
    {
      type: 'nfm_reply',
      nfm_reply: { name: 'flow', body: 'Sent', response_json: '{"flow_token":"t","size":"L"}' },
    },
    {
      body: 'Sent',
      payload: { kind: 'nfm_reply', name: 'flow', response: { flow_token: '<redacted>', size: 'L' } },
    },
  ],
  [
    'interactive',
    { type: 'nfm_reply', nfm_reply: { name: 'flow', response_json: 'not json' } },
    { body: null, payload: { kind: 'nfm_reply', name: 'flow' } },
  ],
  [
    'interactive',
    { type: 'call_permission_reply' },
    { body: null, payload: { kind: 'call_permission_reply' } },
  ],
  ['button', { payload: 'STOP', text: 'Stop' }, { body: 'Stop', payload: { selectedId: 'STOP' } }],
  [
    'reaction',
    { message_id: 'wamid.OUT', emoji: '👍' },
    { body: '👍', payload: { messageId: 'wamid.OUT', emoji: '👍' } },
  ],
  [
    'reaction',
    { message_id: 'wamid.OUT' },
    { body: null, payload: { messageId: 'wamid.OUT', removed: true } },
  ],
  [
    'order',
    { catalog_id: 'C', text: 'please', product_items: [{ product_retailer_id: 'sku', quantity: 1 }] },
    { body: 'please', payload: { catalogId: 'C', items: [{ product_retailer_id: 'sku', quantity: 1 }] } },
  ],
  [
    'system',
    {
      type: 'user_changed_number',
      body: 'moved',
      wa_id: '15550003333',
      user_id: 'US.2',
      previous_user_id: 'US.1',
    },
    { body: 'moved', payload: { kind: 'user_changed_number' } },
  ],
  ['unsupported', { type: 'poll_creation' }, { body: null, payload: { kind: 'poll_creation', errors: [] } }],
  [
    'edit',
    { original_message_id: 'wamid.0', message: { type: 'text', text: { body: 'better' } } },
    { body: 'better', payload: { originalMessageId: 'wamid.0', type: 'text' } },
  ],
  ['revoke', { original_message_id: 'wamid.0' }, { body: null, payload: { originalMessageId: 'wamid.0' } }],
  ['something_new', { a: 1 }, { body: null, payload: {} }],
]

test.each(TYPES)('%s %j', (type, content, { body, payload, media }) => {
  const parsed = message({ type, [type]: content })
  expect(parsed).toMatchObject({
    kind: 'message',
    number: NUMBER,
    direction: 'inbound',
    wamid: 'wamid.1',
    type,
    body,
    payload,
    media: media ?? null,
    at: new Date(1_790_000_000_000),
  })
  expect(parsed).toHaveProperty('raw.id', 'wamid.1')
})

test('what a message refers to', () => {
  const context = { from: '1', id: 'wamid.OUT', forwarded: true, referred_product: { catalog_id: 'C' } }
  const referral = { source_id: 'ad', ctwa_clid: 'click' }
  expect(message({ type: 'text', text: { body: 'x' }, context, referral })).toMatchObject({
    replyTo: 'wamid.OUT',
    payload: { forwarded: true, referredProduct: { catalog_id: 'C' }, referral },
  })
})

test.each([
  ['text', true],
  ['image', true],
  ['something_new', true],
  ['reaction', false],
  ['system', false],
  ['unsupported', false],
  ['edit', false],
  ['revoke', false],
])('%s opens the window: %s', (type, opensWindow) => {
  expect(message({ type })).toMatchObject({ opensWindow })
  expect(message({ type, group_id: 'G' })).toMatchObject({ opensWindow: false })
})

test('who wrote, with the name their contact card gives', () => {
  const contacts = [
    { profile: { name: 'Bo' }, wa_id: '15550009999' },
    { profile: { name: 'Ana', username: '@ana' }, user_id: 'US.1', parent_user_id: 'US.ENT.1' },
  ]
  const messages = [
    { id: 'wamid.1', from_user_id: 'US.1', type: 'text' },
    { id: 'wamid.2', from: '+1 555 000 9999', type: 'text' },
    { id: 'wamid.3', from: '15550001234', type: 'text' },
  ]
  expect(parse({ contacts, messages })?.map((item) => 'person' in item && item.person)).toEqual([
    { bsuid: 'US.1', parentBsuid: 'US.ENT.1', waId: null, username: '@ana', name: 'Ana' },
    { bsuid: null, parentBsuid: null, waId: '15550009999', username: null, name: 'Bo' },
    { bsuid: null, parentBsuid: null, waId: '15550001234', username: null, name: null },
  ])
})

test.each([
  ['no id', { id: undefined }],
  ['an id longer than any index takes', { id: 'x'.repeat(513) }],
  ['no sender', { from: undefined, from_user_id: undefined }],
])('a message with %s cannot be stored and is counted', (_, fields) => {
  expect(message({ type: 'text', text: { body: 'x' }, ...fields })).toEqual({
    kind: 'ignored',
    what: 'malformed',
  })
})

test('what Postgres cannot hold is taken out, what no index takes is cut', () => {
  const body = `a\0b\ud83d${'x'.repeat(70_000)}`
  const parsed = message({ type: 'text', text: { body }, extra: '\ud83d\0' })
  expect(parsed).toMatchObject({ raw: { extra: '\ufffd' } })
  const said = parsed && 'body' in parsed ? (parsed.body ?? '') : ''
  expect([said.slice(0, 4), said.length]).toEqual(['ab\ufffdx', 65_536])
})

test.each(['99999999999', '-1', '1e9', 'soon', null, {}])('the time %j is none', (timestamp) => {
  expect(message({ type: 'text', timestamp })).toMatchObject({ at: null })
})
