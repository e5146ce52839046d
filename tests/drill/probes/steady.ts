/**
 * Callers who go on through whatever happens, until the file `stop` is there: Meta, which delivers messages of a customer over
 * new connections and repeats what was not answered with 200; and an agent that stays connected and answers the customer,
 * repeating what it has no result for under the same idempotency key.
 *
 * Reads `{url, secret, key, stop, tag, number, account, customer}` on standard input. Prints a line of JSON for every attempt
 * on standard error as it ends (`Attempt` of lib/traffic.ts); ends when everything was answered, or is given up.
 */
import { createHmac } from 'node:crypto'
import { access } from 'node:fs/promises'
import { request } from 'node:https'
import { json } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import type { TLSSocket } from 'node:tls'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import * as z from 'zod'

const DELIVER_EVERY_MS = 200
/** nginx lets 60 a minute through. */
const SEND_EVERY_MS = 1_250
const PATIENCE_MS = 10_000
/** Meta waits longer, but repeats for days. */
const REPEAT_AFTER_MS = [1_000, 2_000, 4_000, 6_000]
/** For what is left when the file is there. */
const LAST_MS = 60_000

const given = z
  .object({
    ...{ url: z.url(), secret: z.string(), key: z.string(), stop: z.string() },
    /** Of this run: part of every id. */
    tag: z.string(),
    /** Meta's ids of the number and its account, and the customer's digits. */
    ...{ number: z.string(), account: z.string(), customer: z.string() },
  })
  .parse(await json(process.stdin))

let stopAt = Number.POSITIVE_INFINITY
const isStopped = () => Date.now() >= stopAt
const isGivenUp = () => Date.now() >= stopAt + LAST_MS

function report(attempt: object): void {
  process.stderr.write(`${JSON.stringify(attempt)}\n`)
}

function bodyOf(id: string): string {
  const { number, account, customer, tag } = given
  const value = {
    messaging_product: 'whatsapp',
    metadata: { display_phone_number: '15550001111', phone_number_id: number },
    contacts: [{ profile: { name: 'Steady' }, wa_id: customer }],
    messages: [
      {
        ...{ from: customer, id: `wamid.${tag}.${id}`, timestamp: String(Math.floor(Date.now() / 1000)) },
        ...{ type: 'text', text: { body: `${tag} ${id}` } },
      },
    ],
  }
  const entry = [{ id: account, changes: [{ field: 'messages', value }] }]
  return JSON.stringify({ object: 'whatsapp_business_account', entry })
}

/** @returns the status, or what became of the connection instead */
function post(body: string): Promise<{ outcome: string; certificate?: string }> {
  const signature = createHmac('sha256', given.secret).update(body).digest('hex')
  const headers = { 'content-type': 'application/json', 'x-hub-signature-256': `sha256=${signature}` }
  return new Promise((resolve) => {
    const options = { method: 'POST', headers, agent: false as const }
    const outgoing = request(`${given.url}/webhook/meta`, options, (response) => {
      const certificate = (response.socket as TLSSocket).getPeerCertificate().fingerprint256
      response.on('error', (error) => resolve({ outcome: codeOf(error) }))
      response.resume().on('end', () => resolve({ outcome: String(response.statusCode), certificate }))
    })
    const timer = setTimeout(() => outgoing.destroy(new Error('no answer')), PATIENCE_MS)
    outgoing
      .on('error', (error) => resolve({ outcome: codeOf(error) }))
      .on('close', () => clearTimeout(timer))
    outgoing.end(body)
  })
}

async function deliver(id: string): Promise<void> {
  // The very same bytes every time, as Meta does.
  const body = bodyOf(id)
  for (let n = 0; !isGivenUp(); n += 1) {
    const started = Date.now()
    const seen = await post(body)
    report({ what: 'delivery', id, n, started, ended: Date.now(), ok: seen.outcome === '200', ...seen })
    if (seen.outcome === '200') return
    await sleep(REPEAT_AFTER_MS[Math.min(n, REPEAT_AFTER_MS.length - 1)])
  }
}

async function meta(): Promise<void> {
  const deliveries: Promise<void>[] = []
  for (let id = 1; !isStopped(); id += 1) {
    deliveries.push(deliver(String(id)))
    await sleep(DELIVER_EVERY_MS)
  }
  await Promise.all(deliveries)
}

const failure = z.object({ error: z.object({ code: z.string() }) })

/** @returns the state, `unknown`, or why there is no result yet */
async function send(client: Client, id: string): Promise<{ outcome: string; ok: boolean }> {
  const { number, customer, tag } = given
  try {
    const message = { phone_number_id: number, to: `+${customer}`, body: `${tag} reply ${id}` }
    const { isError, structuredContent } = await client.callTool(
      { name: 'send_message', arguments: { ...message, idempotency_key: `${tag}-${id}` } },
      undefined,
      { timeout: PATIENCE_MS },
    )
    if (isError !== true)
      return { outcome: z.object({ state: z.string() }).parse(structuredContent).state, ok: true }
    const { code } = failure.parse(structuredContent).error
    return { outcome: code, ok: code === 'outcome_unknown' }
  } catch (error) {
    return { outcome: codeOf(error), ok: false }
  }
}

async function connect(): Promise<Client> {
  const client = new Client({ name: 'steady', version: '1' })
  const options = { requestInit: { headers: { authorization: `Bearer ${given.key}` } } }
  // The class and the interface disagree under exactOptionalPropertyTypes.
  await client.connect(new StreamableHTTPClientTransport(new URL(`${given.url}/mcp`), options) as Transport)
  return client
}

async function agent(): Promise<void> {
  let client = await connect()
  let [id, n] = [1, 0]
  // What it has no result for comes before anything new.
  while (!isGivenUp() && (n > 0 || !isStopped())) {
    const started = Date.now()
    const seen = await send(client, String(id))
    report({ what: 'send', id: String(id), n, started, ended: Date.now(), ...seen })
    if (seen.ok) [id, n] = [id + 1, 0]
    else n += 1
    // The protocol's word for a session that is over.
    if (seen.outcome === '404') client = await connect().catch(() => client)
    await sleep(SEND_EVERY_MS - Math.min(SEND_EVERY_MS, Date.now() - started))
  }
}

async function awaitStop(): Promise<void> {
  const isThere = () =>
    access(given.stop).then(
      () => true,
      () => false,
    )
  while (!(await isThere())) await sleep(100)
  stopAt = Date.now()
}

function codeOf(error: unknown): string {
  const { code, message } = error as { code?: unknown; message?: string }
  return String(code ?? message ?? error).slice(0, 200)
}

await Promise.all([awaitStop(), meta(), agent()])
process.exit(0)
