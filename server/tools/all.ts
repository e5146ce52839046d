import type { Tool } from '../mcp/tool.ts'
import { getMedia } from './get-media.ts'
import { ping } from './ping.ts'
import { sendMedia } from './send-media.ts'
import { sendMessage } from './send-message.ts'
import type { Services } from './services.ts'

/** Every tool, in the order clients see them; the order stays, so that a model's prompt cache does too. */
export function allTools(services: Services): readonly Tool[] {
  return [ping, getMedia(services), sendMessage(services), sendMedia(services)]
}
