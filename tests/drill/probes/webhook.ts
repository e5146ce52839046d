/** Reads `{url, secret}` on standard input, sends one signed webhook five times, three of them at once, and a forged one. */
import { createHash, createHmac, randomUUID } from 'node:crypto'
import { json } from 'node:stream/consumers'
import * as z from 'zod'

const { url, secret } = z.object({ url: z.url(), secret: z.string() }).parse(await json(process.stdin))
const body = JSON.stringify({ object: 'whatsapp_business_account', entry: [], drill: randomUUID() })
const signature = `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`

async function post(signed: string): Promise<number> {
  const headers = { 'content-type': 'application/json', 'x-hub-signature-256': signed }
  const response = await fetch(url, { method: 'POST', headers, body })
  await response.arrayBuffer()
  return response.status
}

const once = [await post(signature), await post(signature)]
const together = await Promise.all([post(signature), post(signature), post(signature)])
const forged = await post(`sha256=${'0'.repeat(64)}`)
const sha256 = createHash('sha256').update(body).digest('hex')
process.stdout.write(JSON.stringify({ statuses: [...once, ...together], forged, sha256 }))
