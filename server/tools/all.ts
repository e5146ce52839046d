import type { Tool } from '../mcp/tool.ts'
import { ping } from './ping.ts'
import { sendMessage } from './send-message.ts'
import type { Services } from './services.ts'

/** Every tool, in the order clients see them; the order stays, so that a model's prompt cache does too. */
export function allTools(services: Services): readonly Tool[] {
  return [ping, sendMessage(services)]
}
