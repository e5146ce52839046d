/** Reads `{url, key}` on standard input, connects with a real client of each protocol era, prints what it got as JSON. */
import { json } from 'node:stream/consumers'
import {
  Client as ModernClient,
  StreamableHTTPClientTransport as ModernTransport,
} from '@modelcontextprotocol/client'
import { Client as LegacyClient } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as LegacyTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import * as z from 'zod'
import { patient } from '../../../scripts/lib/request.ts'

const { url, key } = z.object({ url: z.url(), key: z.string() }).parse(await json(process.stdin))
const options = { fetch: patient(fetch), requestInit: { headers: { authorization: `Bearer ${key}` } } }
const self = { name: 'drill', version: '1' }

interface Seen {
  readonly tools: readonly string[]
  readonly ping: unknown
}

async function legacy(): Promise<Seen> {
  const client = new LegacyClient(self)
  // The class and the interface disagree under exactOptionalPropertyTypes.
  await client.connect(new LegacyTransport(new URL(url), options) as Transport)
  const { tools } = await client.listTools()
  const result = await client.callTool({ name: 'ping' })
  await client.close()
  return { tools: tools.map(({ name }) => name), ping: result.structuredContent ?? result.content }
}

async function modern(): Promise<Seen> {
  const client = new ModernClient(self, { versionNegotiation: { mode: { pin: '2026-07-28' } } })
  await client.connect(new ModernTransport(new URL(url), options))
  const { tools } = await client.listTools()
  const result = await client.callTool({ name: 'ping' })
  await client.close()
  return { tools: tools.map(({ name }) => name), ping: result.structuredContent ?? result.content }
}

process.stdout.write(JSON.stringify({ legacy: await legacy(), modern: await modern() }))
