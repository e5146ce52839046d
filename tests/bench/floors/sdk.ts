/**
 * The SDK as its documentation arranges a server without sessions: one `McpServer` and one transport per request. The same
 * `ping`, but no keys, no limits, no audit.
 */
import { createServer } from 'node:http'
import { json } from 'node:stream/consumers'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import { ping } from '../../../server/tools/ping.ts'

const { title, description, annotations } = ping
const definition = {
  title,
  description,
  annotations,
  inputSchema: ping.input.shape,
  outputSchema: ping.output.shape,
}

const http = createServer(async (req, res) => {
  const server = new McpServer({ name: 'floor', version: '0.0.0' })
  server.registerTool(ping.name, definition, () => {
    const output = { ok: true, ts: new Date().toISOString(), version: '0.0.0' }
    return { structuredContent: output, content: [{ type: 'text', text: JSON.stringify(output) }] }
  })
  // JSON instead of an event stream, which is the quicker of its two forms.
  const transport = new StreamableHTTPServerTransport({ enableJsonResponse: true })
  res.on('close', () => void server.close())
  // The class declares optional callbacks the interface wants without `undefined`.
  await server.connect(transport as Transport)
  await transport.handleRequest(req, res, await json(req))
})
http.listen(0, '127.0.0.1', () => {
  const address = http.address()
  process.stdout.write(
    `${JSON.stringify({ msg: 'listening', port: typeof address === 'object' && address?.port })}\n`,
  )
})
