/** Addresses of what clients can read and watch. Numbers go by Meta's id, conversations by ours. */
export const NUMBERS_URI = 'wamcp://numbers'

export function messagesUri(waId: string): string {
  return `wamcp://numbers/${waId}/messages`
}

export function conversationUri(conversationId: string): string {
  return `wamcp://conversations/${conversationId}`
}

export function templatesUri(waId: string): string {
  return `wamcp://templates/${waId}`
}
