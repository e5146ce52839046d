/**
 * Callers that must notice nothing, for some seconds: Meta, with a signed webhook over a new connection every time, and
 * an MCP client that stays connected. Reads `{url, secret, key, seconds}`, prints what it saw as JSON.
 */
import { createHmac } from 'node:crypto'
import { request } from 'node:https'
import { json } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import type { TLSSocket } from 'node:tls'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import * as z from 'zod'

const { url, secret, key, seconds } = z
  .object({ url: z.url(), secret: z.string(), key: z.string(), seconds: z.number() })
  .parse(await json(process.stdin))
const end = Date.now() + seconds * 1000
const failures: string[] = []
const certificates = new Set<string>()
let webhooks = 0
let pings = 0

const body = JSON.stringify({ object: 'whatsapp_business_account', entry: [], drill: 'steady' })
const signature = `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`

function deliver(): Promise<number> {
  const headers = { 'content-type': 'application/json', 'x-hub-signature-256': signature }
  return new Promise((resolve, reject) => {
    const outgoing = request(`${url}/webhook/meta`, { method: 'POST', headers, agent: false }, (response) => {
      certificates.add((response.socket as TLSSocket).getPeerCertificate().fingerprint256)
      response.resume().on('end', () => resolve(response.statusCode ?? 0))
    })
    outgoing.on('error', reject)
    outgoing.setTimeout(10_000, () => outgoing.destroy(new Error('no answer within 10 s')))
    outgoing.end(body)
  })
}

async function meta(): Promise<void> {
  while (Date.now() < end) {
    await deliver().then(
      (status) => status !== 200 && failures.push(`webhook: ${status}`),
      (error: unknown) => failures.push(`webhook: ${String(error)}`),
    )
    webhooks++
    await sleep(100)
  }
}

async function agent(): Promise<void> {
  const options = { requestInit: { headers: { authorization: `Bearer ${key}` } } }
  const client = new Client({ name: 'steady', version: '1' })
  // The class and the interface disagree under exactOptionalPropertyTypes.
  await client.connect(new StreamableHTTPClientTransport(new URL(`${url}/mcp`), options) as Transport)
  while (Date.now() < end) {
    await client.callTool({ name: 'ping' }).catch((error: unknown) => failures.push(`mcp: ${String(error)}`))
    pings++
    await sleep(1500)
  }
  await client.close()
}

await Promise.all([meta(), agent()])
process.stdout.write(JSON.stringify({ webhooks, pings, failures, certificates: [...certificates] }))
