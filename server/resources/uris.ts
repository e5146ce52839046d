/** Addresses of what clients can read and watch. Numbers go by Meta's id, conversations by ours. */
export const NUMBERS_URI = 'wamcp://numbers'

/** Messages of a number. @param waId `phone_number_id` of Meta */
export function messagesUri(waId: string): string {
  return `wamcp://numbers/${waId}/messages`
}

/** A conversation. @param conversationId `contacts.id` */
export function conversationUri(conversationId: string): string {
  return `wamcp://conversations/${conversationId}`
}

/** Templates of a number. @param waId `phone_number_id` of Meta */
export function templatesUri(waId: string): string {
  return `wamcp://templates/${waId}`
}
