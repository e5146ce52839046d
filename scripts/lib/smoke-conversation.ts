import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Client } from '@modelcontextprotocol/sdk/client/index.js'
import * as z from 'zod'

/** What the probe reads of the tools' answers. */
const messageSchema = z.object({
  message_id: z.string(),
  conversation_id: z.string(),
  status: z.string(),
  text: z.object({ value: z.string() }).nullable(),
})
const pageSchema = z.object({ messages: z.array(messageSchema) })
const foundSchema = z.object({ message: messageSchema })
const sentSchema = z.object({ message_id: z.string(), state: z.string() })
const screenSchema = z.object({ lines: z.array(z.object({ from: z.string(), text: z.string() })) })

const PATIENCE_MS = 10_000

/**
 * A conversation through the whole stack: the customer of the WhatsApp stand-in writes, an MCP client reads it and answers, the
 * customer sees the answer, and the client sees that it was read.
 *
 * @param phone where the customer's phone is used, `http://127.0.0.1:…`
 * @param client connected, with a key that may read and send
 */
export async function converse(phone: string, client: Client): Promise<string> {
  const question = `Where is my order ${randomUUID()}?`
  const reply = `On its way, ${randomUUID()}`
  const started = performance.now()
  await tellPhone(phone, question)
  const asked = await until('the message of the customer', async () => {
    const { messages } = pageSchema.parse(await call(client, 'get_messages', { direction: 'inbound' }))
    return messages.find(({ text }) => text?.value === question)
  })
  const sent = sentSchema.parse(
    await call(client, 'send_message', { to: asked.conversation_id, body: reply }),
  )
  await until('the answer on the screen of the customer', async () => {
    const { lines } = screenSchema.parse(await (await fetch(phone)).json())
    return lines.find(({ from, text }) => from === 'business' && text === reply)
  })
  const waiting = { message_id: sent.message_id, wait_for: 'read', timeout_s: PATIENCE_MS / 1000 }
  const { message } = foundSchema.parse(await call(client, 'get_message', waiting))
  if (message.status !== 'read')
    throw new Error(`the answer is ${message.status}, not read, after ${PATIENCE_MS / 1000} s`)
  return `asked, answered and read in ${((performance.now() - started) / 1000).toFixed(1)} s`
}

async function tellPhone(phone: string, say: string): Promise<void> {
  const response = await fetch(phone, { method: 'POST', body: JSON.stringify({ say }) })
  if (!response.ok) throw new Error(`the customer could not write: ${await response.text()}`)
}

async function call(client: Client, name: string, args: Record<string, unknown>): Promise<unknown> {
  const result = await client.callTool({ name, arguments: args })
  if (result.isError === true)
    throw new Error(`the tool ${name} answered ${JSON.stringify(result.structuredContent)}`)
  return result.structuredContent
}

async function until<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
  const end = Date.now() + PATIENCE_MS
  for (;;) {
    const found = await look()
    if (found !== undefined) return found
    if (Date.now() > end) throw new Error(`${what} did not come within ${PATIENCE_MS / 1000} s`)
    // Not faster: the proxy counts requests.
    await sleep(500)
  }
}
