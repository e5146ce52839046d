/** In every text of A's, so that one search finds whatever of it got through. */
export const CANARY = 'canary'

/** Everything a caller could name. */
export interface Ids {
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

export type Args = Record<string, unknown>
/** Calls that name what belongs to somebody else. `mine` is the caller's own conversation. */
type Probe = (their: Ids, mine: string) => Args[]

/** Whatever gets through sends nothing. */
export const dry = { dry_run: true }
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
export const PROBES: Record<string, Probe> = {
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
