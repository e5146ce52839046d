import { Server } from '@modelcontextprotocol/sdk/server/index.js'
import {
  CallToolRequestSchema,
  ErrorCode,
  type JSONRPCRequest,
  type JSONRPCResponse,
  ListToolsRequestSchema,
  McpError,
} from '@modelcontextprotocol/sdk/types.js'
import * as z from 'zod'
import type { Identity } from '../auth/identity.ts'
import type { Logger } from '../log.ts'
import { type Dispatcher, UnknownTool } from '../tools/dispatch.ts'
import { VERSION } from '../version.ts'
import type { Tool } from './tool.ts'
import { RequestTransport } from './transport.ts'

export const SERVER_INFO = { name: 'whatsapp-mcp', title: 'WhatsApp', version: VERSION }
export const CAPABILITIES = { tools: {} }

/** What the transport knows about the one who calls. */
export interface CallerInfo {
  readonly identity: Identity
  readonly requestId: string
  readonly ip: string
}

function define(tool: Tool) {
  const { name, title, description, annotations } = tool
  return {
    name,
    title,
    description,
    inputSchema: z.toJSONSchema(tool.input, { io: 'input' }) as { type: 'object' },
    outputSchema: z.toJSONSchema(tool.output) as { type: 'object' },
    annotations,
  }
}

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

  constructor(dispatcher: Dispatcher, log: Logger) {
    const server = new Server(SERVER_INFO, { capabilities: CAPABILITIES, jsonSchemaValidator: noValidator })
    // Made once: turning zod into JSON Schema on every list costs a hundred times what answering it does.
    const list = { tools: dispatcher.tools.map(define) }
    server.setRequestHandler(ListToolsRequestSchema, () => list)
    server.setRequestHandler(CallToolRequestSchema, async ({ params }, extra) => {
      const caller = extra.authInfo?.extra?.caller as CallerInfo
      return (await dispatcher
        .call({
          name: params.name,
          args: params.arguments,
          ...caller,
          transport: 'http',
          signal: extra.signal,
          progress: () => {},
          confirm: async () => 'unavailable',
        })
        .catch((err: unknown) => {
          if (err instanceof UnknownTool) throw new McpError(ErrorCode.InvalidParams, 'Unknown tool')
          log.error({ tool: params.name, err }, 'tool_failed')
          throw err
        })) as { content: [] }
    })
    this.#ready = server.connect(this.#transport)
  }

  /** Answers one request; see {@link RequestTransport.request}. */
  async answer(
    request: JSONRPCRequest,
    caller: CallerInfo,
    gone: (abandon: () => void) => void,
  ): Promise<JSONRPCResponse> {
    await this.#ready
    const response = await this.#transport.request(request, caller, gone)
    if (!('error' in response) || response.error.code !== ErrorCode.InternalError) return response
    // Our handlers never fail, so this is the SDK rejecting the shape of the params, in the words of its parser.
    return { ...response, error: { code: ErrorCode.InvalidParams, message: 'Invalid params' } }
  }
}
