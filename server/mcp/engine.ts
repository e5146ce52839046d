import { Server } from '@modelcontextprotocol/sdk/server/index.js'
import {
  CallToolRequestSchema,
  ErrorCode,
  type JSONRPCRequest,
  type JSONRPCResponse,
  ListToolsRequestSchema,
  McpError,
} from '@modelcontextprotocol/sdk/types.js'
import type { Logger } from '../log.ts'
import { VERSION } from '../version.ts'
import { call, define, type Tool } from './tool.ts'
import { ping } from './tools/ping.ts'
import { RequestTransport } from './transport.ts'

export const SERVER_INFO = { name: 'whatsapp-mcp', title: 'WhatsApp', version: VERSION }
export const CAPABILITIES = { tools: {} }

const tools: readonly Tool[] = [ping]

/** The SDK would build a validator for answers to questions a server asks its client; we ask none. */
const noValidator = {
  getValidator: () => () => {
    throw new Error('no client is ever asked')
  },
}

/** The one SDK server behind all requests, of every client and both protocol eras. */
export class Engine {
  readonly #transport = new RequestTransport()
  readonly #ready: Promise<void>

  constructor(log: Logger) {
    const server = new Server(SERVER_INFO, { capabilities: CAPABILITIES, jsonSchemaValidator: noValidator })
    // Made once: turning zod into JSON Schema on every list costs a hundred times what answering it does.
    const list = { tools: tools.map(define) }
    const byName = new Map(tools.map((tool) => [tool.name, tool]))
    server.setRequestHandler(ListToolsRequestSchema, () => list)
    server.setRequestHandler(CallToolRequestSchema, ({ params }) => {
      const tool = byName.get(params.name)
      if (tool === undefined) throw new McpError(ErrorCode.InvalidParams, 'Unknown tool')
      return call(tool, params.arguments).catch((err: unknown) => {
        log.error({ tool: tool.name, err }, 'tool_failed')
        return {
          isError: true,
          content: [{ type: 'text', text: 'The tool failed; the operator finds out why in the log.' }],
        }
      })
    })
    this.#ready = server.connect(this.#transport)
  }

  /** Answers one request; see {@link RequestTransport.request}. */
  async answer(request: JSONRPCRequest, gone: (abandon: () => void) => void): Promise<JSONRPCResponse> {
    await this.#ready
    const response = await this.#transport.request(request, gone)
    if (!('error' in response) || response.error.code !== ErrorCode.InternalError) return response
    // Our handlers never fail, so this is the SDK rejecting the shape of the params, in the words of its parser.
    return { ...response, error: { code: ErrorCode.InvalidParams, message: 'Invalid params' } }
  }
}
