/** Reads `{url, key, calls: [{name, arguments}]}` on standard input, calls the tools one after the other, prints their answers as JSON. */
import { json } from 'node:stream/consumers'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import * as z from 'zod'
import { patient } from '../../../scripts/lib/request.ts'

const call = z.object({ name: z.string(), arguments: z.record(z.string(), z.unknown()) })
const { url, key, calls } = z
  .object({ url: z.url(), key: z.string(), calls: z.array(call) })
  .parse(await json(process.stdin))

const client = new Client({ name: 'drill', version: '1' })
const options = { fetch: patient(fetch), requestInit: { headers: { authorization: `Bearer ${key}` } } }
// The class and the interface disagree under exactOptionalPropertyTypes.
await client.connect(new StreamableHTTPClientTransport(new URL(url), options) as Transport)
const answers: unknown[] = []
for (const wanted of calls) {
  const result = await client.callTool(wanted)
  answers.push(result.structuredContent ?? result.content)
}
await client.close()
process.stdout.write(JSON.stringify(answers))
