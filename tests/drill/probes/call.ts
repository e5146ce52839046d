/** Reads `{url, key, tool, arguments}` on standard input, calls the tool with a real client, prints its result as JSON. */
import { json } from 'node:stream/consumers'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import * as z from 'zod'

const order = z
  .object({ url: z.url(), key: z.string(), tool: z.string(), arguments: z.record(z.string(), z.unknown()) })
  .parse(await json(process.stdin))
const client = new Client({ name: 'drill', version: '1' })
const options = { requestInit: { headers: { authorization: `Bearer ${order.key}` } } }
// The class and the interface disagree under exactOptionalPropertyTypes.
await client.connect(new StreamableHTTPClientTransport(new URL(order.url), options) as Transport)
const result = await client.callTool({ name: order.tool, arguments: order.arguments })
await client.close()
process.stdout.write(JSON.stringify(result))
