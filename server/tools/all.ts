import type { Tool } from '../mcp/tool.ts'
import { createTemplate } from './create-template.ts'
import { findContact } from './find-contact.ts'
import { getMedia } from './get-media.ts'
import { getMessage } from './get-message.ts'
import { getMessages } from './get-messages.ts'
import { listConversations } from './list-conversations.ts'
import { listNumbers } from './list-numbers.ts'
import { listTemplates } from './list-templates.ts'
import { markRead } from './mark-read.ts'
import { ping } from './ping.ts'
import { react } from './react.ts'
import { searchMessages } from './search-messages.ts'
import { sendInteractive } from './send-interactive.ts'
import { sendMedia } from './send-media.ts'
import { sendMessage } from './send-message.ts'
import { sendTemplate } from './send-template.ts'
import type { Services } from './services.ts'
import { waitForReply } from './wait-for-reply.ts'

/** Every tool, in the order clients see them; the order stays, so that a model's prompt cache does too. */
export function allTools(services: Services): readonly Tool[] {
  return [
    ping,
    listNumbers,
    listConversations,
    getMessages,
    searchMessages,
    findContact,
    getMessage(services),
    waitForReply(services),
    getMedia(services),
    listTemplates(services),
    sendMessage(services),
    sendMedia(services),
    sendInteractive(services),
    sendTemplate(services),
    react(services),
    markRead(services),
    createTemplate(services),
  ]
}
