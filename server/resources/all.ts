import type { Resource } from './resource.ts'
import { conversationUri, messagesUri, NUMBERS_URI, templatesUri } from './uris.ts'

const LATEST = 20

export const numbers: Resource = {
  name: 'numbers',
  title: 'WhatsApp numbers',
  description: 'The numbers this key may use, and what it may do with each.',
  address: { uri: NUMBERS_URI },
  pattern: /^wamcp:\/\/numbers$/,
  tool: 'list_numbers',
  args: () => ({}),
}

export const messages: Resource = {
  name: 'messages',
  title: 'Latest messages of a number',
  description: `The latest ${LATEST} messages on a number. Subscribe to hear of each new one.`,
  address: { uriTemplate: messagesUri('{phone_number_id}') },
  pattern: /^wamcp:\/\/numbers\/(\d{5,32})\/messages$/,
  tool: 'get_messages',
  args: (phone_number_id) => ({ phone_number_id, limit: LATEST }),
}

export const conversation: Resource = {
  name: 'conversation',
  title: 'Latest messages with one person',
  description: `The latest ${LATEST} messages of a conversation. Subscribe to hear of each new one.`,
  address: { uriTemplate: conversationUri('{conversation_id}') },
  pattern: /^wamcp:\/\/conversations\/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/,
  tool: 'get_messages',
  args: (contact) => ({ contact, limit: LATEST }),
}

export const templates: Resource = {
  name: 'templates',
  title: 'Message templates of a number',
  description: 'Templates that may be sent when the 24-hour window is closed, with their variables.',
  address: { uriTemplate: templatesUri('{phone_number_id}') },
  pattern: /^wamcp:\/\/templates\/(\d{5,32})$/,
  tool: 'list_templates',
  args: (phone_number_id) => ({ phone_number_id }),
}

export const resources: readonly Resource[] = [numbers, messages, conversation, templates]
