import { expect, test } from 'vitest'
import { toJson } from '../../../server/mcp/json.ts'

test('a message is the JSON it would be otherwise, the tools in their place', () => {
  const tools = [{ name: 'ping', description: `costs $& and $1, says "tools":[] and \\ ${'\u2028'}` }]
  const messages = [
    { jsonrpc: '2.0', id: '"tools":[]', result: { resultType: 'complete', tools, _meta: { a: 1 } } },
    { jsonrpc: '2.0', id: 2, result: { tools } },
    { jsonrpc: '2.0', id: 3, result: { tools: [] } },
    { jsonrpc: '2.0', id: 4, result: { tools: 'none' } },
    { jsonrpc: '2.0', id: 5, error: { code: -32602, message: 'Unknown tool' } },
  ]
  for (const message of [...messages, ...messages]) expect(toJson(message)).toBe(JSON.stringify(message))
})
