import { Server } from '@modelcontextprotocol/sdk/server/index.js'
import type { RequestHandlerExtra } from '@modelcontextprotocol/sdk/shared/protocol.js'
import {
  CallToolRequestSchema,
  CompleteRequestSchema,
  ElicitResultSchema,
  GetPromptRequestSchema,
  ListPromptsRequestSchema,
  ListResourcesRequestSchema,
  ListResourceTemplatesRequestSchema,
  ListToolsRequestSchema,
  ReadResourceRequestSchema,
  type Result,
  type ServerCapabilities,
  type ServerNotification,
  type ServerRequest,
  SubscribeRequestSchema,
  UnsubscribeRequestSchema,
} from '@modelcontextprotocol/sdk/types.js'
import type { Logger } from '../log.ts'
import { UnknownTool } from '../tools/dispatch.ts'
import { VERSION } from '../version.ts'
import { InputRequired, type RequestContext } from './context.ts'
import { CODES, RpcError } from './message.ts'
import type { Surface } from './surface.ts'

export const SERVER_INFO = { name: 'whatsapp-mcp', title: 'WhatsApp', version: VERSION }

export type Extra = RequestHandlerExtra<ServerRequest, ServerNotification>

/** What became of a request besides what the SDK can carry. */
export interface Outcome {
  /** A result of the stateless era that asks for input. */
  early?: Readonly<Record<string, unknown>>
  /** One of our handlers failed. */
  failed?: true
}

export interface SdkServerOptions {
  readonly surface: Surface
  readonly log: Logger
  /** What the transport knows about a request. */
  readonly contextOf: (
    extra: Extra,
  ) => Omit<RequestContext, 'signal' | 'progressToken' | 'notify' | 'ask'> & { readonly canAsk: boolean }
  readonly outcomeOf: (extra: Extra) => Outcome
}

/** The SDK builds a validator for answers to questions; ours are yes or no and checked where they are asked. */
const noValidator = {
  getValidator: () => () => {
    throw new Error('no answer of a client is validated by a schema')
  },
}

/** Puts a surface behind the SDK's server. */
export function createSdkServer({ surface, log, contextOf, outcomeOf }: SdkServerOptions): Server {
  const server = new Server(SERVER_INFO, {
    capabilities: surface.capabilities as ServerCapabilities,
    instructions: surface.instructions,
    jsonSchemaValidator: noValidator,
  })
  const list = { tools: surface.listTools() }
  const templates = { resourceTemplates: surface.listResourceTemplates() }
  const prompts = { prompts: surface.listPrompts() }

  /** Runs a handler in the context of its request, and keeps what went wrong inside from getting out. */
  async function handle(extra: Extra, work: (context: RequestContext) => unknown): Promise<Result> {
    const context = toContext(extra, contextOf(extra))
    try {
      return (await work(context)) as Result
    } catch (error) {
      if (error instanceof InputRequired) {
        outcomeOf(extra).early = error.result
        return { content: [], messages: [], contents: [] }
      }
      if (error instanceof RpcError) throw error
      if (error instanceof UnknownTool) throw new RpcError(200, CODES.invalidParams, 'Unknown tool')
      outcomeOf(extra).failed = true
      log.error({ rid: context.requestId, err: error }, 'request_failed')
      throw new RpcError(200, CODES.internalError, 'Internal error')
    }
  }

  server.setRequestHandler(ListToolsRequestSchema, () => list as unknown as Result & { tools: [] })
  server.setRequestHandler(CallToolRequestSchema, ({ params }, extra) =>
    handle(extra, (context) => surface.callTool(params.name, params.arguments, context)),
  )
  server.setRequestHandler(ListResourcesRequestSchema, (_, extra) =>
    handle(extra, async (context) => ({ resources: await surface.listResources(context) })),
  )
  server.setRequestHandler(ListResourceTemplatesRequestSchema, () => templates as unknown as Result)
  server.setRequestHandler(ReadResourceRequestSchema, ({ params: { uri } }, extra) =>
    handle(extra, async (context) => {
      const contents = await surface.readResource(uri, context)
      if (contents === undefined) throw resourceNotFound(uri, context)
      return { contents }
    }),
  )
  server.setRequestHandler(SubscribeRequestSchema, ({ params: { uri } }, extra) =>
    handle(extra, async (context) => {
      if (!(await surface.canWatch(uri, context))) throw resourceNotFound(uri, context)
      await subscriptionsOf(context).add(uri)
      return {}
    }),
  )
  server.setRequestHandler(UnsubscribeRequestSchema, ({ params: { uri } }, extra) =>
    handle(extra, async (context) => {
      await subscriptionsOf(context).remove(uri)
      return {}
    }),
  )
  server.setRequestHandler(ListPromptsRequestSchema, () => prompts as unknown as Result)
  server.setRequestHandler(GetPromptRequestSchema, ({ params }, extra) =>
    handle(extra, (context) => surface.getPrompt(params.name, params.arguments ?? {}, context)),
  )
  server.setRequestHandler(CompleteRequestSchema, ({ params }, extra) =>
    handle(extra, async (context) => {
      const values = await surface.complete(params.ref, params.argument, context)
      return {
        completion: { values: values.slice(0, 100), total: values.length, hasMore: values.length > 100 },
      }
    }),
  )
  return server
}

function toContext(
  extra: Extra,
  { canAsk, ...known }: ReturnType<SdkServerOptions['contextOf']>,
): RequestContext {
  const ask: RequestContext['ask'] = (method, params, timeout) =>
    extra.sendRequest({ method, params } as ServerRequest, ElicitResultSchema, { timeout })
  return {
    ...known,
    signal: extra.signal,
    progressToken: extra._meta?.progressToken,
    notify: (method, params) => void extra.sendNotification({ method, params } as ServerNotification),
    ask: canAsk ? ask : undefined,
  }
}

function subscriptionsOf({ subscriptions }: RequestContext) {
  if (subscriptions) return subscriptions
  throw new RpcError(
    200,
    CODES.invalidRequest,
    'Subscriptions need a session: initialize first and keep its Mcp-Session-Id',
  )
}

function resourceNotFound(uri: string, { retry }: RequestContext): RpcError {
  const code = retry ? CODES.invalidParams : CODES.resourceNotFound
  return new RpcError(200, code, 'Resource not found', { uri })
}
