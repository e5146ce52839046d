import fc from 'fast-check'

const TYPES = [
  'text',
  'image',
  'location',
  'contacts',
  'interactive',
  'reaction',
  'order',
  'system',
  'edit',
  'unsupported',
]
const FIELDS = [
  'messages',
  'smb_message_echoes',
  'user_preferences',
  'message_template_status_update',
  'phone_number_quality_update',
]

const words = fc.string({ unit: 'binary' })
const junk = fc.oneof(words, fc.jsonValue({ maxDepth: 2 }))
const sometimesJunk = <T>(arbitrary: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 7, arbitrary }, { weight: 1, arbitrary: junk })
const list = <T>(arbitrary: fc.Arbitrary<T>) =>
  sometimesJunk(fc.array(sometimesJunk(arbitrary), { maxLength: 4 }))
const phone = fc.constantFrom('15550001', '15550002')
const bsuid = fc.constantFrom('US.1', 'US.2')
const time = sometimesJunk(fc.nat().map(String))

/** The object named like the type: sometimes with fields that the type really has. */
const content = sometimesJunk(
  fc.record(
    {
      body: junk,
      id: junk,
      caption: junk,
      mime_type: junk,
      filename: junk,
      type: fc.oneof(fc.constantFrom('button_reply', 'nfm_reply', 'user_changed_number'), words),
      button_reply: junk,
      nfm_reply: fc.record({ response_json: fc.oneof(fc.json(), words) }),
      emoji: junk,
      message_id: junk,
      wa_id: sometimesJunk(phone),
      user_id: sometimesJunk(bsuid),
      previous_user_id: sometimesJunk(bsuid),
      message: junk,
    },
    { requiredKeys: [] },
  ),
)
const message = fc.constantFrom(...TYPES).chain((type) =>
  fc.record(
    {
      id: sometimesJunk(words),
      from: sometimesJunk(phone),
      from_user_id: sometimesJunk(bsuid),
      to: sometimesJunk(phone),
      timestamp: time,
      type: fc.constant(type),
      [type]: content,
      context: junk,
      referral: junk,
      errors: junk,
    },
    { requiredKeys: ['type', 'id', 'from', 'to'] },
  ),
)
const status = fc.record(
  {
    id: sometimesJunk(words),
    status: sometimesJunk(fc.constantFrom('sent', 'failed')),
    timestamp: time,
    recipient_id: sometimesJunk(phone),
    recipient_user_id: sometimesJunk(bsuid),
    biz_opaque_callback_data: sometimesJunk(fc.uuid()),
    errors: list(fc.record({ code: junk, error_data: junk })),
    pricing: junk,
  },
  { requiredKeys: ['id', 'status'] },
)
const preference = fc.record({
  user_id: sometimesJunk(bsuid),
  value: fc.constantFrom('stop', 'resume', 'x'),
  timestamp: time,
})

/** JSON shaped like a delivery about a number, with anything at all in any place. */
export function oddDelivery(number: string, waba: string): fc.Arbitrary<unknown> {
  const value = fc.record(
    {
      metadata: sometimesJunk(fc.record({ phone_number_id: sometimesJunk(fc.constant(number)) })),
      contacts: list(
        fc.record({ profile: junk, wa_id: sometimesJunk(phone), user_id: sometimesJunk(bsuid) }),
      ),
      messages: list(message),
      statuses: list(status),
      message_echoes: list(message),
      user_preferences: list(preference),
      event: sometimesJunk(fc.constantFrom('APPROVED', 'PAUSED')),
      reason: junk,
      display_phone_number: sometimesJunk(fc.constant('+15550001111')),
      max_daily_conversations_per_business: junk,
      message_template_id: junk,
      message_template_name: junk,
    },
    { requiredKeys: ['metadata'] },
  )
  const change = fc.record({ field: sometimesJunk(fc.constantFrom(...FIELDS)), value: sometimesJunk(value) })
  const entry = fc.record({ id: sometimesJunk(fc.constant(waba)), changes: list(change) })
  return fc.record({ object: fc.constant('whatsapp_business_account'), entry: list(entry) })
}
