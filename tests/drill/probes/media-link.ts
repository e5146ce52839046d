/**
 * Reads `{url, key, phone}` on standard input, lets the customer send a picture, waits until it is stored, and prints
 * `{link}`: a fresh link to it.
 */
import { randomUUID } from 'node:crypto'
import { json } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import * as z from 'zod'
import { patient } from '../../../scripts/lib/request.ts'

const { url, key, phone } = z
  .object({ url: z.url(), key: z.string(), phone: z.url() })
  .parse(await json(process.stdin))
const page = z.object({
  messages: z.array(
    z.object({
      text: z.object({ value: z.string() }).nullable(),
      media: z.object({ media_id: z.string(), state: z.string() }).nullish(),
    }),
  ),
})
const found = z.object({ url: z.string().nullable() })
/** One grey pixel. */
const PICTURE = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg=='
const PATIENCE_MS = 20_000

const client = new Client({ name: 'drill', version: '1' })
const transport = new StreamableHTTPClientTransport(new URL(url), {
  fetch: patient(fetch),
  requestInit: { headers: { authorization: `Bearer ${key}` } },
})
// The class and the interface disagree under exactOptionalPropertyTypes.
await client.connect(transport as Transport)
const call = async (name: string, args: Record<string, unknown>) => {
  const result = await client.callTool({ name, arguments: args })
  if (result.isError === true) throw new Error(`${name}: ${JSON.stringify(result.structuredContent)}`)
  return result.structuredContent
}

const caption = `Picture ${randomUUID()}`
const order = JSON.stringify({ picture: PICTURE, mimeType: 'image/png', caption })
const sent = await fetch(phone, { method: 'POST', body: order })
if (!sent.ok) throw new Error(`the customer could not send a picture: ${await sent.text()}`)
const end = Date.now() + PATIENCE_MS
let link: string | null = null
while (link === null && Date.now() < end) {
  await sleep(1_000)
  const { messages } = page.parse(await call('get_messages', { direction: 'inbound' }))
  const media = messages.find(({ text }) => text?.value === caption)?.media
  if (media?.state === 'stored') link = found.parse(await call('get_media', { media_id: media.media_id })).url
}
await client.close()
process.stdout.write(JSON.stringify({ link }))
