import { createHmac, randomUUID } from 'node:crypto'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import type { Secret } from '../../secrets/secret.ts'
import { expiry, isCurrent, servedCertificate } from './certificate.ts'
import { fetchFrom, patient } from './request.ts'
import { converse } from './smoke-conversation.ts'

/** Where to knock, and what is needed to be let in. */
export interface SmokeTarget {
  /** Without a path: `https://wa.example.org`, or `http://127.0.0.1:3000` in the sandbox. */
  readonly url: string
  /** Connect here instead of where DNS points. */
  readonly address?: string
  /** A host that takes over cannot renew before DNS leads to it: its certificate may be due, if it is good. */
  readonly certificateMayBeDue?: boolean
  /** Signs the synthetic webhook. */
  readonly appSecret: Secret
  /** Where a stand-in for WhatsApp and its customer's phone are; a real installation has none. */
  readonly standIn?: { readonly phone: string; readonly numberId: string }
  /** Runs the server's admin command line; a failing command is an exit code, not an exception. */
  admin(args: readonly string[]): Promise<{ stdout: string; stderr: string; exitCode: number | null }>
}

export interface Check {
  readonly title: string
  readonly ok: boolean
  readonly detail: string
  readonly seconds: number
}

type Probe = (target: SmokeTarget) => Promise<string>

/** The client that smoke tests act as; its keys live for minutes. */
export const CLIENT = 'smoke-test'
const KEY = /wamcp_live_[a-z2-7]{28}/
const KEY_LIFETIME_MS = 600_000

/**
 * Everything a working installation does, asked from outside: health, certificate, headers, the webhook's signature
 * and memory, the MCP endpoint with a real client, and that a revoked key is refused at once.
 * Never throws for a failing check; each one is in the result.
 */
export async function smoke(target: SmokeTarget): Promise<Check[]> {
  const secure = target.url.startsWith('https:')
  const probes: [string, Probe][] = [
    ['health', health],
    ...(secure
      ? ([
          ['certificate', certificate],
          ['headers', headers],
          ['redirect', redirect],
        ] as [string, Probe][])
      : []),
    ['webhook', webhook],
    ['mcp', mcp],
    ...(target.standIn ? ([['conversation', conversation]] as [string, Probe][]) : []),
  ]
  const checks: Check[] = []
  for (const [title, probe] of probes) {
    const started = performance.now()
    const outcome = await probe(target).then(
      (detail) => ({ ok: true, detail }),
      (error: unknown) => ({ ok: false, detail: error instanceof Error ? error.message : String(error) }),
    )
    checks.push({ title, ...outcome, seconds: Math.round(performance.now() - started) / 1000 })
  }
  return checks
}

const health: Probe = async ({ url, address }) => {
  // The limit is six a minute; a check that was just made counts.
  expectStatus('GET /health', await patient(fetchFrom(address))(`${url}/health`), 200)
  return 'the server and its database answer'
}

const certificate: Probe = async ({ url, address, certificateMayBeDue }) => {
  const { hostname, port } = new URL(url)
  const served = await servedCertificate({
    host: address ?? hostname,
    port: Number(port || 443),
    name: hostname,
  })
  if (served.checkHost(hostname) === undefined) throw new Error(`the certificate is not for ${hostname}`)
  const due = certificateMayBeDue === true && isCurrent(served) ? undefined : expiry(served)
  if (due !== undefined) throw new Error(`the certificate of ${hostname}: ${due}`)
  // The chain itself: a request that verifies it, as every client will.
  await fetchFrom(address)(`${url}/livez`)
  return `valid to ${served.validTo}`
}

const headers: Probe = async ({ url, address }) => {
  const response = await fetchFrom(address)(`${url}/no-such-path`)
  expectStatus('GET /no-such-path', response, 404)
  const hsts = response.headers.get('strict-transport-security') ?? ''
  if (!/max-age=31536000/.test(hsts)) throw new Error('Strict-Transport-Security is missing on a 404')
  if (/\d/.test(response.headers.get('server') ?? '')) throw new Error('the Server header names a version')
  return 'HSTS on errors too, no version'
}

const redirect: Probe = async ({ url, address }) => {
  const { hostname } = new URL(url)
  const response = await fetchFrom(address)(`http://${hostname}/mcp`, { redirect: 'manual' })
  expectStatus('GET over plain HTTP', response, 301)
  return `http leads to ${response.headers.get('location')}`
}

const webhook: Probe = async ({ url, address, appSecret }) => {
  const body = JSON.stringify({ object: 'whatsapp_business_account', entry: [], synthetic: randomUUID() })
  const signature = `sha256=${createHmac('sha256', appSecret.reveal()).update(body).digest('hex')}`
  const post = (sign: string) =>
    fetchFrom(address)(`${url}/webhook/meta`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-hub-signature-256': sign },
      body,
    })
  const started = performance.now()
  expectStatus('a signed webhook', await post(signature), 200)
  const milliseconds = Math.round(performance.now() - started)
  expectStatus('the same webhook again', await post(signature), 200)
  expectStatus('a webhook with a wrong signature', await post(`sha256=${'0'.repeat(64)}`), 404)
  return `stored in ${milliseconds} ms, repeated without harm, a forged one refused`
}

const mcp: Probe = async (target) => {
  const { key, id } = await mintKey(target)
  const count = await useTools(target, key).finally(() => target.admin(['keys', 'revoke', id]))
  const refused = await patient(fetchFrom(target.address))(`${target.url}/mcp`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}` },
  })
  expectStatus('a revoked key', refused, 401)
  return `${count} tool${count === 1 ? '' : 's'}, ping answered; a revoked key is refused`
}

/** A question and its answer through the whole stack; the smoke test's client may use the number for that long only. */
const conversation: Probe = async (target) => {
  const { standIn, admin } = target
  if (standIn === undefined) throw new Error('there is no stand-in to converse with')
  const number = ['--client', CLIENT, '--phone', standIn.numberId]
  const scopes = ['get_messages', 'get_message', 'send_message'].map((tool) => `tools:${tool}`).join(',')
  const { key, id } = await mintKey(target, ['--scopes', scopes])
  try {
    // Of a run that was killed; usually there is none.
    await admin(['grants', 'revoke', ...number])
    const granted = await admin(['grants', 'add', ...number, '--verbs', 'read,send'])
    if (granted.exitCode !== 0) throw new Error(`no grant could be added: ${granted.stderr.trim()}`)
    const client = new Client({ name: 'whatsapp-mcp smoke test', version: '1' })
    await client.connect(transport(target, key))
    return await converse(standIn.phone, client).finally(() => client.close())
  } finally {
    await admin(['grants', 'revoke', ...number])
    await admin(['keys', 'revoke', id])
  }
}

/** @returns how many tools the server offers */
async function useTools(target: SmokeTarget, key: string): Promise<number> {
  const client = new Client({ name: 'whatsapp-mcp smoke test', version: '1' })
  await client.connect(transport(target, key))
  const { tools } = await client.listTools()
  if (!tools.some(({ name }) => name === 'ping')) throw new Error('tools/list does not name the tool ping')
  const result = await client.callTool({ name: 'ping' })
  if (result.isError === true) throw new Error('the tool ping answered with an error')
  await client.close()
  return tools.length
}

function transport({ url, address }: SmokeTarget, key: string): Transport {
  const real = new StreamableHTTPClientTransport(new URL(`${url}/mcp`), {
    fetch: patient(fetchFrom(address)),
    requestInit: { headers: { authorization: `Bearer ${key}` } },
  })
  // The SDK's class and its interface disagree under exactOptionalPropertyTypes.
  return real as Transport
}

/** Mints a key for the smoke test's own client, which the first run creates. */
export async function mintKey(
  { admin }: Pick<SmokeTarget, 'admin'>,
  options: readonly string[] = [],
): Promise<{ key: string; id: string }> {
  const expires = new Date(Date.now() + KEY_LIFETIME_MS).toISOString()
  const mint = () =>
    admin([
      'keys',
      'mint',
      '--client',
      CLIENT,
      '--label',
      'smoke test',
      '--expires',
      expires,
      '--json',
      ...options,
    ])
  let minted = await mint()
  if (minted.exitCode !== 0) {
    await admin(['clients', 'create', '--name', CLIENT, '--display-name', 'Smoke test'])
    minted = await mint()
  }
  const key = KEY.exec(minted.stderr)?.[0]
  if (minted.exitCode !== 0 || key === undefined)
    throw new Error(`no key could be minted: ${minted.stderr.trim()}`)
  return { key, id: (JSON.parse(minted.stdout) as { id: string }).id }
}

function expectStatus(what: string, response: Response, status: number): void {
  void response.body?.cancel()
  if (response.status !== status) throw new Error(`${what} answered ${response.status}, expected ${status}`)
}
